//! What a refusal by the relay says about the pace: pure.

use mail_egress_pacing::Signal;

use crate::message::refusal::Refusal;

/// What the gate is to be told of this refusal, if anything.
#[must_use]
pub fn signal(refusal: &Refusal) -> Option<Signal> {
    if !refusal.by_relay {
        return None;
    }
    if let Some(pause) = refusal.retry_after {
        return Some(Signal::RetryAfter(pause));
    }
    match refusal.reason {
        "ConcurrencyLimit" => Some(Signal::Connections),
        "UpstreamBusy" | "UpstreamSuspicious" | "GraphThrottled" => Some(Signal::Rate),
        "SubmissionQuota" | "TenantExternalLimit" | "OnMicrosoftDomainLimit" => Some(Signal::Quota),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mail_egress_diagnosis::{At, Smtp, graph, smtp};

    use super::*;

    #[test]
    fn exchanges_own_words_for_too_much_slow_the_pace() {
        let said = |code, enhanced, text| {
            let mut refusal = Refusal::from(smtp(Smtp { code, enhanced, text, at: At::Message }));
            refusal.by_relay = true;
            signal(&refusal)
        };
        assert_eq!(said(432, "4.3.2", "Concurrent connections limit exceeded."), Some(Signal::Connections));
        assert_eq!(said(451, "4.7.0", "Temporary server error."), Some(Signal::Rate));
        assert_eq!(said(421, "4.3.2", "Service not available"), Some(Signal::Rate));
        assert_eq!(said(554, "5.2.0", "SubmissionQuotaExceededException"), Some(Signal::Quota));
        assert_eq!(said(550, "5.1.1", "no such user"), None);
    }

    #[test]
    fn what_graph_wants_to_wait_is_waited() {
        let said = |status, code, retry_after| {
            let mut refusal = Refusal::from(graph(status, code, ""));
            refusal.by_relay = true;
            refusal.retry_after = retry_after;
            signal(&refusal)
        };
        let pause = Duration::from_secs(7);
        assert_eq!(said(429, "ApplicationThrottled", Some(pause)), Some(Signal::RetryAfter(pause)));
        assert_eq!(said(503, "", Some(pause)), Some(Signal::RetryAfter(pause)));
        assert_eq!(said(429, "ApplicationThrottled", None), Some(Signal::Connections));
        assert_eq!(said(429, "", None), Some(Signal::Rate));
    }
}
