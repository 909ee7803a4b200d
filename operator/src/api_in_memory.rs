//! For tests: as much of an API server as one object at a time needs, behind a line that can be cut.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::sleep;

/// Objects by path. A write that names a `resourceVersion` succeeds only over that version; each
/// write makes a new one. Server-side apply is no more than a merge here.
#[derive(Clone, Default)]
pub(crate) struct ApiServer {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    version: u64,
}

/// One client's way to the server. While it is cut, nothing is answered.
#[derive(Clone)]
pub(crate) struct Line {
    server: ApiServer,
    cut: Arc<AtomicBool>,
}

impl ApiServer {
    pub(crate) fn line(&self) -> Line {
        Line { server: self.clone(), cut: Arc::default() }
    }

    /// The object that lies at `path`, as `/api/v1/namespaces/a/secrets/b`.
    pub(crate) fn object(&self, path: &str) -> Option<Value> {
        self.state.lock().unwrap().objects.get(path).cloned()
    }

    /// Puts an object there, or removes it, as somebody else would.
    pub(crate) fn put(&self, path: &str, object: Option<Value>) {
        let mut state = self.state.lock().unwrap();
        match object {
            Some(object) => drop(state.write(path, object)),
            None => drop(state.objects.remove(path)),
        }
    }

    fn answer(&self, method: &Method, path: &str, body: &[u8]) -> (StatusCode, Value) {
        let mut state = self.state.lock().unwrap();
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let named = format!("{path}/{}", body["metadata"]["name"].as_str().unwrap_or_default());
        let path = if method == Method::POST { &named } else { path };
        let kept = state.objects.get(path).cloned();
        let conflict = |kept: &Value| {
            let wanted = &body["metadata"]["resourceVersion"];
            !wanted.is_null() && *wanted != kept["metadata"]["resourceVersion"]
        };
        match (method.as_str(), kept) {
            ("GET", Some(kept)) => (StatusCode::OK, kept),
            ("POST", Some(_)) => refusal(StatusCode::CONFLICT),
            ("PUT" | "PATCH", Some(kept)) if conflict(&kept) => refusal(StatusCode::CONFLICT),
            ("POST", None) | ("PUT", Some(_)) => (StatusCode::OK, state.write(path, body)),
            ("PATCH", Some(mut kept)) => {
                json_patch::merge(&mut kept, &body);
                (StatusCode::OK, state.write(path, kept))
            }
            _ => refusal(StatusCode::NOT_FOUND),
        }
    }
}

impl State {
    fn write(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert(path.to_owned(), object.clone());
        object
    }
}

fn refusal(code: StatusCode) -> (StatusCode, Value) {
    let reason = code.canonical_reason().unwrap().replace(' ', "");
    (code, json!({"kind": "Status", "status": "Failure", "code": code.as_u16(), "reason": reason}))
}

impl Line {
    pub(crate) fn client(&self) -> Client {
        Client::new(self.clone(), "default")
    }

    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }

    pub(crate) fn mend(&self) {
        self.cut.store(false, Ordering::SeqCst);
    }
}

impl tower_service::Service<Request<Body>> for Line {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let line = self.clone();
        Box::pin(async move {
            sleep(Duration::from_millis(5)).await;
            if line.cut.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let (code, answer) = line.server.answer(&parts.method, parts.uri.path(), &body);
            Ok(Response::builder().status(code).body(Body::from(answer.to_string().into_bytes())).unwrap())
        })
    }
}
