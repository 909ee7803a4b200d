//! An error with its causes on one line, for logs: a field that holds an error is written without
//! them where the log is JSON.

use std::error::Error;
use std::{fmt, iter};

use kube::core::Status;

/// Shows an error as `what: why: why`; an answer of the API server by its message alone, where kube
/// writes out all of it, and that more than once.
pub(crate) struct Causes<'a>(pub(crate) &'a (dyn Error + 'static));

impl<'a> Causes<'a> {
    fn chain(&self) -> impl Iterator<Item = &'a (dyn Error + 'static)> + use<'a> {
        iter::successors(Some(self.0), |error: &&'a (dyn Error + 'static)| <dyn Error>::source(*error))
    }
}

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = self.chain().find_map(status);
        let dump = found.map(|status| format!("ApiError: {status} ({status:?})"));
        let mut said: Option<String> = None;
        for error in self.chain() {
            let text = match (found, &dump) {
                (Some(found), _) if status(error).is_some() => message(found),
                (Some(found), Some(dump)) => error.to_string().replace(dump, &message(found)),
                (_, _) => error.to_string(),
            };
            match &said {
                None => f.write_str(&text)?,
                // some errors repeat their cause
                Some(said) if said.ends_with(&text) => {}
                Some(_) => write!(f, ": {text}")?,
            }
            said = Some(text);
        }
        Ok(())
    }
}

/// An answer of the API server, which kube has in a box.
fn status<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Status> {
    error.downcast_ref::<Status>().or_else(|| error.downcast_ref::<Box<Status>>().map(Box::as_ref))
}

/// What the API server said, or the least that it must say.
fn message(status: &Status) -> String {
    match status.message.as_str() {
        "" => format!("{} {}", status.code, status.reason),
        message => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the lease could not be read")]
    struct Outer(#[source] Middle);

    #[derive(Debug, thiserror::Error)]
    #[error("connection failed: {0}")]
    struct Middle(#[source] std::io::Error);

    #[test]
    fn shows_every_cause_once() {
        let error = Outer(Middle(std::io::Error::other("no route")));
        assert_eq!(Causes(&error).to_string(), "the lease could not be read: connection failed: no route");
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the Secret could not be read")]
    struct Read(#[source] kube::Error);

    fn refused(message: &str) -> kube::Error {
        let status =
            serde_json::json!({"status": "Failure", "message": message, "reason": "Forbidden", "code": 403});
        kube::Error::Api(Box::new(serde_json::from_value(status).unwrap()))
    }

    #[test]
    fn shows_an_answer_of_the_api_server_once_and_by_its_message() {
        let said = "secrets is forbidden";
        let causes = |error: &(dyn Error + 'static)| Causes(error).to_string();
        assert_eq!(causes(&refused(said)), said);
        assert_eq!(causes(&Read(refused(said))), "the Secret could not be read: secrets is forbidden");
        let transparent = crate::controller::ReconcileError::Write(refused(said).into());
        assert_eq!(causes(&transparent), said);
        let around = kube::runtime::watcher::Error::InitialListFailed(refused(said));
        assert!(causes(&around).ends_with(&format!(": {said}")), "{}", causes(&around));
        assert!(!causes(&around).contains("ApiError"), "{}", causes(&around));
        assert_eq!(causes(&refused("")), "403 Forbidden");
    }
}
