//! The server as an API server meets it: over TLS, and with clients that misbehave.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use mail_egress_entra::tls;
use prometheus::{Registry, TextEncoder};
use rustls_pki_types::ServerName;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::server::{Limits, serve_within};
use super::*;
use crate::authority::testing::Certificates;
use crate::inject::Resources;

struct Running {
    address: SocketAddr,
    certificates: Certificates,
    registry: Registry,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

async fn running(limits: Limits) -> Running {
    let settings = inject::Settings {
        sidecar_image: "mail-egress-sidecar:dev".to_owned(),
        operator_namespace: "mail-egress-system".to_owned(),
        version: "0.1.0".to_owned(),
        log_format: "json".to_owned(),
        log_addresses: None,
        resources: Resources::default(),
        proxies: Vec::new(),
    };
    let registry = Registry::new();
    let webhook = Webhook::new(settings, &registry).unwrap();
    let certificates = Certificates::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let tls = certificates.serving.server_config().unwrap();
    let server = tokio::spawn(serve_within(listener, tls, webhook, limits, async {
        let _ = stopped.await;
    }));
    Running { address, certificates, registry, stop, server }
}

impl Running {
    async fn connect(&self) -> TlsStream<TcpStream> {
        let config = tls::client_config(Some(&self.certificates.bundle())).unwrap();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from(Certificates::NAME).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }

    /// One request on a connection of its own: the status and the body.
    async fn ask(&self, method: &str, path: &str, body: &[u8]) -> (u16, String) {
        let mut stream = self.connect().await;
        exchange(&mut stream, method, path, body).await
    }

    async fn review(&self, review: &Value) -> Value {
        let (status, body) = self.ask("POST", "/mutate", review.to_string().as_bytes()).await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    fn metrics(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap()
    }
}

async fn exchange(stream: &mut TlsStream<TcpStream>, method: &str, path: &str, body: &[u8]) -> (u16, String) {
    let head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    answer(stream).await
}

async fn answer(stream: &mut TlsStream<TcpStream>) -> (u16, String) {
    let mut received = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&received).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if body.len() == length.parse::<usize>().unwrap() {
                return (head[9..12].parse().unwrap(), body.to_owned());
            }
        }
        let read = stream.read_buf(&mut received).await.unwrap();
        assert!(read > 0, "closed after {text:?}");
    }
}

fn review(pod: &Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "0c9a8d74",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "shop",
            "operation": "CREATE",
            "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
            "object": pod,
            "oldObject": null,
            "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    })
}

fn pod(spec: &Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "web-", "labels": {"mail-egress.io/sender": "billing"}},
        "spec": {"containers": [{"name": "web", "image": "web:1"}]},
    });
    json_patch::merge(&mut pod["spec"], spec);
    pod
}

fn patch(answer: &Value) -> json_patch::Patch {
    let text = answer["response"]["patch"].as_str().expect("base64, as the API says");
    let text = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    serde_json::from_slice(&text).unwrap()
}

#[tokio::test]
async fn patches_a_pod_and_counts_it_once() {
    let running = running(Limits::default()).await;
    let mut pod = pod(&json!({}));
    let answer = running.review(&review(&pod)).await;
    assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(answer["kind"], "AdmissionReview");
    assert_eq!(answer["response"]["uid"], "0c9a8d74");
    assert_eq!(answer["response"]["allowed"], true);
    assert_eq!(answer["response"]["patchType"], "JSONPatch");
    json_patch::patch(&mut pod, &patch(&answer)).unwrap();
    assert!(pod.to_string().contains("shop/billing"), "the request's namespace, for the pod has none yet");

    let again = running.review(&review(&pod)).await;
    assert_eq!(again["response"]["allowed"], true);
    assert!(again["response"]["patch"].is_null());
    let metrics = running.metrics();
    assert!(
        metrics.contains("mail_egress_injections_total{decision=\"injected\",reason=\"\"} 1"),
        "{metrics}"
    );
    let requests = "controller_runtime_webhook_requests_total{code=\"200\",webhook=\"/mutate\"} 2";
    assert!(metrics.contains(requests), "{metrics}");
    assert!(metrics.contains("controller_runtime_webhook_latency_seconds_count{webhook=\"/mutate\"} 2"));
    assert!(metrics.contains("controller_runtime_webhook_requests_in_flight{webhook=\"/mutate\"} 0"));
}

#[tokio::test]
async fn refuses_a_pod_with_the_sentence_and_403() {
    let running = running(Limits::default()).await;
    let answer = running.review(&review(&pod(&json!({"shareProcessNamespace": true})))).await;
    assert_eq!(answer["response"]["allowed"], false);
    assert_eq!(answer["response"]["status"]["code"], 403);
    let message = answer["response"]["status"]["message"].as_str().unwrap();
    assert!(message.starts_with("mail-egress: spec.shareProcessNamespace is true"), "{message}");
    let counted = "mail_egress_injections_total{decision=\"refused\",reason=\"SharedProcessNamespace\"} 1";
    assert!(running.metrics().contains(counted));
}

#[tokio::test]
async fn warns_of_a_label_without_effect() {
    let running = running(Limits::default()).await;
    let mut pod = pod(&json!({}));
    pod["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
    let answer = running.review(&review(&pod)).await;
    assert_eq!(answer["response"]["allowed"], true);
    assert!(answer["response"]["warnings"][0].as_str().unwrap().contains("static pod"));
}

#[tokio::test]
async fn warns_of_an_annotation_that_it_does_not_know_and_injects() {
    let running = running(Limits::default()).await;
    let mut pod = pod(&json!({}));
    pod["metadata"]["annotations"] = json!({"mail-egress.io/smtp-prot": "2526"});
    let answer = running.review(&review(&pod)).await;
    assert_eq!(answer["response"]["allowed"], true);
    assert_eq!(answer["response"]["patchType"], "JSONPatch");
    assert!(answer["response"]["warnings"][0].as_str().unwrap().contains("smtp-prot is not known"));
}

#[tokio::test]
async fn a_dry_run_is_answered_and_not_counted() {
    let running = running(Limits::default()).await;
    let mut review = review(&pod(&json!({})));
    review["request"]["dryRun"] = json!(true);
    let answer = running.review(&review).await;
    assert!(!answer["response"]["patch"].is_null());
    assert!(!running.metrics().contains("mail_egress_injections_total{"));
}

#[tokio::test]
async fn answers_what_is_no_review_with_one_clear_line() {
    let running = running(Limits::default()).await;
    let without = |key: &str| {
        let mut review = review(&pod(&json!({})));
        review["request"][key] = Value::Null;
        review.to_string()
    };
    let old = review(&pod(&json!({}))).to_string().replace("admission.k8s.io/v1", "admission.k8s.io/v1beta1");
    let no_request = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}).to_string();
    for (body, expected) in [
        ("", "the body is not an AdmissionReview of a pod: EOF"),
        ("{", "the body is not an AdmissionReview of a pod: EOF"),
        ("[]", "the body is not an AdmissionReview of a pod: "),
        (&old, "the AdmissionReview is \"admission.k8s.io/v1beta1\", not \"admission.k8s.io/v1\""),
        (&no_request, "the AdmissionReview has no request"),
        (&without("object"), "the AdmissionReview has no request.object"),
        (&without("namespace"), "the AdmissionReview has no request.namespace"),
    ] {
        let (status, text) = running.ask("POST", "/mutate", body.as_bytes()).await;
        assert_eq!(status, 400, "{body}");
        assert!(text.starts_with(expected) && text.lines().count() == 1, "{text:?}");
    }
    assert_eq!(running.ask("GET", "/mutate", b"").await.0, 405);
    assert_eq!(running.ask("POST", "/", b"").await.0, 404);
}

#[tokio::test]
async fn takes_the_largest_review_and_no_larger_body() {
    let limits = Limits::default();
    let running = running(limits).await;
    let mut pod = pod(&json!({}));
    pod["metadata"]["annotations"] = json!({"note": "x".repeat(3 * 1024 * 1024)});
    assert_eq!(running.review(&review(&pod)).await["response"]["allowed"], true);

    let mut stream = running.connect().await;
    let head =
        format!("POST /mutate HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", limits.body_octets + 1);
    stream.write_all(head.as_bytes()).await.unwrap();
    let (status, text) = answer(&mut stream).await;
    assert_eq!((status, text.as_str()), (413, "the body is larger than 4194304 octets\n"));
}

#[tokio::test]
async fn a_new_certificate_is_served_without_touching_old_connections() {
    let mut running = running(Limits::default()).await;
    let mut old = running.connect().await;
    running.certificates.renew();
    let mut new = running.connect().await;
    let served = |stream: &TlsStream<TcpStream>| stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    assert_ne!(served(&old), served(&new));
    for stream in [&mut old, &mut new] {
        let body = review(&pod(&json!({}))).to_string();
        assert_eq!(exchange(stream, "POST", "/mutate", body.as_bytes()).await.0, 200);
    }
}

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn drops_clients_that_say_nothing_and_those_that_dawdle() {
    let limits = Limits {
        handshake: SHORT,
        first_request: SHORT,
        idle: SHORT * 2,
        body_time: SHORT,
        ..Limits::default()
    };
    let running = running(limits).await;

    let mut silent = TcpStream::connect(running.address).await.unwrap();
    let end = timeout(LONG, silent.read_u8()).await.expect("no TLS");
    end.unwrap_err();

    let mut unused = running.connect().await;
    timeout(LONG, unused.read_u8()).await.expect("no request").unwrap_err();

    let mut idle = running.connect().await;
    exchange(&mut idle, "GET", "/", b"").await;
    timeout(LONG, idle.read_u8()).await.expect("no further request").unwrap_err();

    let mut slow = running.connect().await;
    slow.write_all(b"POST /mutate HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{").await.unwrap();
    let (status, text) = timeout(LONG, answer(&mut slow)).await.expect("no body");
    assert_eq!(status, 408, "{text}");
}

#[tokio::test]
async fn more_connections_than_allowed_wait_for_their_turn() {
    let running = running(Limits { connections: 1, ..Limits::default() }).await;
    let first = running.connect().await;
    let waiting = TcpStream::connect(running.address).await.unwrap();
    drop(waiting);
    let second = running.connect();
    let mut second = std::pin::pin!(second);
    timeout(SHORT, &mut second).await.expect_err("only one at a time");
    drop(first);
    let mut second = timeout(LONG, second).await.expect("its turn");
    let body = review(&pod(&json!({}))).to_string();
    assert_eq!(exchange(&mut second, "POST", "/mutate", body.as_bytes()).await.0, 200);
}

#[tokio::test]
async fn finishes_what_is_in_hand_and_then_ends() {
    let running = running(Limits::default()).await;
    let mut idle = running.connect().await;
    let body = review(&pod(&json!({}))).to_string();
    assert_eq!(exchange(&mut idle, "POST", "/mutate", body.as_bytes()).await.0, 200);
    let mut busy = running.connect().await;
    let head = format!("POST /mutate HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    busy.write_all(head.as_bytes()).await.unwrap();
    // the answer to another request shows that this one has been read
    running.ask("GET", "/", b"").await;

    running.stop.send(()).unwrap();
    timeout(LONG, idle.read_u8()).await.expect("an idle connection is closed").unwrap_err();
    busy.write_all(body.as_bytes()).await.unwrap();
    assert_eq!(answer(&mut busy).await.0, 200);
    timeout(LONG, running.server).await.expect("all is done").unwrap();
    TcpStream::connect(running.address).await.expect_err("nobody listens any more");
}
