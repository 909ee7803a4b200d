//! From the greeting to the login, and all that must not be said before TLS.

use mail_egress_smtp::client::{Action, Attempt, Dialogue, Failure, Lost, Phase, Security, Settings};

use crate::{
    dialogue::{LOGIN, LONG_TOKEN, Run, dialogue, dialogue_with, settings},
    pieces::Pieces,
};

#[test]
fn logs_in_within_tls_only() {
    dialogue(LOGIN);
}

#[test]
fn speaks_as_exchange_does() {
    dialogue_with(
        &settings(&"t".repeat(LONG_TOKEN)),
        "
        S: 220 SY5P282CA0097.outlook.office365.com Microsoft ESMTP MAIL Service ready at Sun, 23 Nov 2025 11:12:20 +0000 [08DE2A6028D26C22]
        C: EHLO pod
        S: 250-SY5P282CA0097.outlook.office365.com Hello [172.105.184.101]
        S: 250-SIZE 157286400
        S: 250-PIPELINING
        S: 250-DSN
        S: 250-ENHANCEDSTATUSCODES
        S: 250-STARTTLS
        S: 250-8BITMIME
        S: 250-BINARYMIME
        S: 250-CHUNKING
        S: 250 SMTPUTF8
        C: STARTTLS
        S: 220 2.0.0 SMTP server ready
        A: start tls
        D: tls
        C: EHLO pod
        S: 250-SY5P282CA0097.outlook.office365.com Hello [172.105.184.101]
        S: 250-SIZE 157286400
        S: 250-PIPELINING
        S: 250-DSN
        S: 250-ENHANCEDSTATUSCODES
        S: 250-AUTH LOGIN XOAUTH2
        S: 250-8BITMIME
        S: 250-BINARYMIME
        S: 250-CHUNKING
        S: 250 SMTPUTF8
        C: AUTH XOAUTH2
        S: 334
        C: {response}
        S: 235 2.7.0 Authentication successful
        A: ready
        ",
    );
}

#[test]
fn needs_no_starttls_where_tls_was_there_before() {
    let implicit = Settings { security: Security::Implicit, ..settings("token") };
    dialogue_with(
        &implicit,
        "
        S: 220 relay ready
        C: EHLO pod
        S: 250-relay
        S: 250 AUTH XOAUTH2
        C: AUTH XOAUTH2 {response}
        S: 235 welcome
        A: ready
        ",
    );
}

#[test]
fn a_starttls_that_is_not_offered_ends_it() {
    for offers in ["250 relay", "250-relay\nS: 250-AUTH XOAUTH2\nS: 250 SIZE", "250-STARTTLS\nS: 250 SIZE"] {
        dialogue(&format!(
            "S: 220 relay ready
            C: EHLO pod
            S: {offers}
            A: failed the relay does not offer STARTTLS
            X: ended",
        ));
    }
}

#[test]
fn a_starttls_that_is_refused_ends_it() {
    dialogue(
        "
        S: 220 relay ready
        C: EHLO pod
        S: 250-relay
        S: 250 STARTTLS
        C: STARTTLS
        S: 454 4.7.0 TLS not available
        C: QUIT
        A: refused starttls 454 4.7.0 TLS not available
        X: ended
        ",
    );
}

#[test]
fn plaintext_behind_the_reply_to_starttls_ends_it() {
    let until_starttls = "
        S: 220 relay ready
        C: EHLO pod
        S: 250-relay
        S: 250 STARTTLS
        C: STARTTLS
        S: 220 2.0.0 go ahead";
    for injected in
        ["S: 250-relay\nS: 250 AUTH XOAUTH2", "S: 235 welcome", r"R: 2", r"R: \x16\x03\x01", r"R: \n"]
    {
        dialogue(&format!(
            "{until_starttls}
            {injected}
            A: failed plaintext was injected behind the reply to STARTTLS
            X: ended",
        ));
    }
    // also where it comes after the caller was told to begin
    dialogue(&format!(
        "{until_starttls}
        A: start tls
        S: 250 relay
        A: failed plaintext was injected behind the reply to STARTTLS
        X: ended",
    ));
}

#[test]
fn a_reply_that_comes_before_its_command_ends_it() {
    for early in ["220 relay\r\n250-relay\r\n250 STARTTLS\r\n220 go\r\n", "220 relay\r\n2"] {
        let mut run = Run::new(&settings("token"), Pieces::Of(1));
        let action = run.dialogue.feed(early.as_bytes(), run.now);
        let lost = Lost::Garbled { phase: Phase::Ehlo, what: "a reply came before the command" };
        assert_eq!(action, Some(Action::Finished(Attempt::Failed(Failure::Lost(lost)))));
        assert!(run.dialogue.is_ended());
    }
}

#[test]
fn offers_made_in_plaintext_do_not_count_within_tls() {
    dialogue(
        "
        S: 220 relay ready
        C: EHLO pod
        S: 250-relay
        S: 250-AUTH XOAUTH2
        S: 250 STARTTLS
        C: STARTTLS
        S: 220 go
        A: start tls
        D: tls
        C: EHLO pod
        S: 250-relay
        S: 250 AUTH LOGIN PLAIN
        A: failed the relay does not offer XOAUTH2 (it offers LOGIN PLAIN)
        X: ended
        ",
    );
}

#[test]
fn a_refused_login_is_told_in_the_relay_s_words() {
    let refused = LOGIN.split("S: 235").next().unwrap();
    dialogue(&format!(
        "{refused}
        S: 535 5.7.3 Authentication unsuccessful [SY5P282CA0097.AUSP282.PROD.OUTLOOK.COM]
        C: QUIT
        A: refused auth 535 5.7.3 Authentication unsuccessful [SY5P282CA0097.AUSP282.PROD.OUTLOOK.COM]
        X: ended",
    ));
}

#[test]
fn an_error_challenge_is_answered_by_an_empty_line() {
    let refused = LOGIN.split("S: 235").next().unwrap();
    let challenge = "S: 334 eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiQmVhcmVyIn0=
        C:
        S: 535-5.7.8 Username and Password not accepted.
        S: 535 5.7.8 See the documentation
        C: QUIT
        A: refused auth 535 5.7.8 Username and Password not accepted. See the documentation
        X: ended";
    dialogue(&format!("{refused}\n{challenge}"));
    let bare = refused.replace("C: AUTH XOAUTH2 {response}", "C: AUTH XOAUTH2\nS: 334\nC: {response}");
    dialogue_with(&settings(&"t".repeat(LONG_TOKEN)), &format!("{bare}\n{challenge}"));
}

#[test]
fn a_login_goes_its_own_way_or_ends() {
    let until_auth = LOGIN.split("C: AUTH").next().unwrap();
    let garbled = "A: failed the relay broke the protocol after AUTH: a reply out of place\nX: ended";
    // a welcome after the error challenge
    dialogue(&format!(
        "{until_auth}\nC: AUTH XOAUTH2 {{response}}\nS: 334 e30=\nC:\nS: 235 welcome\n{garbled}"
    ));
    // a welcome before the token was said
    let long = settings(&"t".repeat(LONG_TOKEN));
    dialogue_with(&long, &format!("{until_auth}\nC: AUTH XOAUTH2\nS: 235 welcome\n{garbled}"));
    // the bare form refused
    dialogue_with(
        &long,
        &format!(
            "{until_auth}\nC: AUTH XOAUTH2\nS: 504 5.5.4 no\nC: QUIT\nA: refused auth 504 5.5.4 no\nX: ended"
        ),
    );
}

#[test]
fn a_token_too_long_for_any_line_is_not_sent() {
    let until_auth = LOGIN.split("C: AUTH").next().unwrap();
    dialogue_with(
        &settings(&"t".repeat(10_000)),
        &format!("{until_auth}\nA: failed the token or password is too long for an AUTH line\nX: ended"),
    );
}

#[test]
fn a_greeting_that_refuses_ends_it() {
    dialogue("S: 554 5.3.2 no service\nC: QUIT\nA: refused greeting 554 5.3.2 no service\nX: ended");
    dialogue("S: 421 4.3.2 busy\nA: refused greeting 421 4.3.2 busy\nX: ended");
    dialogue("S: 220 hi\nC: EHLO pod\nS: 502 what\nC: QUIT\nA: refused ehlo 502 what\nX: ended");
    dialogue(
        "S: 354 what\nA: failed the relay broke the protocol before its greeting: a reply out of place\nX: ended",
    );
}

#[test]
fn a_name_that_is_none_becomes_an_address() {
    let settings = Settings { name: "pod\r\nAUTH".to_owned(), ..settings("token") };
    dialogue_with(&settings, "S: 220 hi\nC: EHLO [127.0.0.1]");
}

/// Everything that is written before `tls_established`, whatever the relay says.
#[test]
fn no_relay_gets_the_token_before_tls() {
    const SAYINGS: [&str; 8] = [
        "220 hi\r\n",
        "250 relay\r\n",
        "250-relay\r\n250 STARTTLS\r\n",
        "250-relay\r\n250-AUTH XOAUTH2\r\n250 PIPELINING\r\n",
        "334 \r\n",
        "235 welcome\r\n",
        "354 go\r\n",
        "535 no\r\n",
    ];
    let settings = settings("token-that-must-not-leak");
    for number in 0..SAYINGS.len().pow(4) {
        let mut run = Run::new(&settings, Pieces::Of(1));
        let mut said = Vec::new();
        for turn in 0..4 {
            let saying = SAYINGS[number / SAYINGS.len().pow(turn) % SAYINGS.len()];
            let action = run.dialogue.feed(saying.as_bytes(), run.now);
            said.extend(run.dialogue.take_output());
            assert_ne!(action, Some(Action::Ready));
            assert!(!run.dialogue.is_ready());
        }
        let said = String::from_utf8(said).unwrap();
        assert!(said.lines().all(|line| matches!(line, "EHLO pod" | "STARTTLS" | "QUIT")), "{said}");
    }
}

#[test]
fn the_token_is_shown_nowhere() {
    let settings = settings("token-that-must-not-leak");
    let mut run = Run::after(&settings, LOGIN.split("C: AUTH").next().unwrap());
    assert_eq!(format!("{:?}", run.dialogue), "Dialogue { phase: Auth, .. }");
    assert!(!format!("{settings:?}").contains("leak"));
    run.step('C', "AUTH XOAUTH2 {response}");
    let action = run.dialogue.feed(b"535 5.7.3 no\r\n", run.now);
    assert!(!format!("{action:?}").contains("leak"));
}

#[test]
fn tls_cannot_be_claimed_out_of_turn() {
    let mut run = Run::new(&settings("token"), Pieces::Of(1));
    assert!(run.dialogue.tls_established(run.now).is_err());
    let mut run = Run::after(&settings("token"), LOGIN);
    assert!(run.dialogue.tls_established(run.now).is_err());
    assert!(run.dialogue.is_ready());
    let dialogue: &Dialogue = &run.dialogue;
    assert_eq!(dialogue.phase(), Phase::Idle);
}

#[test]
fn a_response_that_has_no_room_in_the_command_is_said_behind_it_once() {
    let said = LOGIN.split("S: 235").next().unwrap();
    for malformed in ["501 5.5.4 Invalid base64 data", "500 5.5.2 line too long"] {
        let again = format!("{said}\nS: {malformed}\nC: AUTH XOAUTH2\nS: 334\nC: {{response}}");
        dialogue(&format!("{again}\nS: 235 welcome\nA: ready\nX: ready"));
        dialogue(&format!("{again}\nS: {malformed}\nC: QUIT\nA: refused auth {malformed}\nX: ended"));
    }
}

#[test]
fn tells_what_the_relay_offers() {
    let run = Run::after(&settings("token"), LOGIN);
    let offers = run.dialogue.offers();
    assert!(offers.pipelining && offers.eight_bit_mime && offers.smtputf8 && !offers.dsn && !offers.chunking);
    assert_eq!(offers.size, Some(1000));
}
