//! The text that Prometheus reads.

use super::*;

fn lines(metrics: &Metrics) -> Vec<String> {
    metrics.text().unwrap().lines().map(str::to_owned).collect()
}

#[track_caller]
fn shows(metrics: &Metrics, line: &str) {
    let lines = lines(metrics);
    assert!(lines.iter().any(|it| it == line), "{line} is not in\n{}", lines.join("\n"));
}

#[test]
fn every_metric_has_its_help_and_our_prefix() {
    let metrics = Metrics::new().unwrap();
    metrics.standing(Some(Timestamp::UNIX_EPOCH), true, Held::default());
    let lines = lines(&metrics);
    for line in lines.iter().filter(|line| !line.starts_with('#')) {
        assert!(line.starts_with("mail_egress_"), "{line}");
        let name = line.split(['{', ' ']).next().unwrap();
        let family = name.trim_end_matches("_bucket").trim_end_matches("_sum").trim_end_matches("_count");
        let help = format!("# HELP {family} ");
        assert!(lines.iter().any(|it| it.starts_with(&help)), "no help for {name}");
    }
}

#[test]
fn counts_a_message_with_its_recipients_and_octets() {
    let metrics = Metrics::new().unwrap();
    shows(&metrics, r#"mail_egress_messages_total{reason="Accepted",result="accepted"} 0"#);
    metrics.message(Fate::Accepted, None, 3, 1000);
    metrics.message(Fate::Deferred, Some("TokenRefused"), 1, 10);
    shows(&metrics, r#"mail_egress_messages_total{reason="Accepted",result="accepted"} 1"#);
    shows(&metrics, r#"mail_egress_messages_total{reason="TokenRefused",result="deferred"} 1"#);
    shows(&metrics, r#"mail_egress_recipients_total{result="accepted"} 3"#);
    shows(&metrics, r#"mail_egress_message_bytes_total{result="deferred"} 10"#);
}

#[test]
fn every_phase_is_there_before_its_first_message() {
    let metrics = Metrics::new().unwrap();
    for phase in Phase::ALL {
        shows(&metrics, &format!(r#"mail_egress_phase_seconds_count{{phase="{}"}} 0"#, phase.label()));
    }
    metrics.phase(Phase::Login, Duration::from_millis(300));
    metrics.sized(2_000);
    shows(&metrics, r#"mail_egress_phase_seconds_bucket{phase="login",le="0.5"} 1"#);
    shows(&metrics, r#"mail_egress_phase_seconds_bucket{phase="login",le="0.1"} 0"#);
    shows(&metrics, r#"mail_egress_message_size_bytes_bucket{le="4096"} 1"#);
}

#[test]
fn says_the_end_of_a_token_only_while_there_is_one() {
    let metrics = Metrics::new().unwrap();
    let end = Timestamp::from_second(1_795_000_000).unwrap();
    metrics.standing(Some(end), true, Held::default());
    shows(&metrics, "mail_egress_token_expiry_timestamp_seconds 1795000000");
    shows(&metrics, "mail_egress_ready 1");
    metrics.standing(None, false, Held::default());
    assert!(!lines(&metrics).iter().any(|line| line.contains("token_expiry")));
}
