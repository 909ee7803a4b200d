//! Messages as the relay sees them.

use crate::dialogue::{LOGIN, PLAIN_LOGIN, Run, dialogue, message, settings};

#[test]
fn one_recipient_goes_out_together_with_data() {
    dialogue(&format!(
        r"{LOGIN}
        D: send <ann@example.com> -> <bob@example.com>: Subject: hi\r\n\r\n.dot\r\n
        C: MAIL FROM:<ann@example.com> SIZE=21
        C: RCPT TO:<bob@example.com>
        C: DATA
        X: busy
        S: 250 2.1.0 Sender OK
        S: 250 2.1.5 Recipient OK
        S: 354 Start mail input
        A: send body
        D: body
        C: Subject: hi
        C:
        C: ..dot
        D: end
        C: .
        S: 250 2.0.0 OK <1@example.com> [Hostname=X]
        A: accepted 250 2.0.0 OK <1@example.com> [Hostname=X]
        X: ready
        D: send <> -> <eve@example.com>: x
        C: RSET
        C: MAIL FROM:<> SIZE=1
        C: RCPT TO:<eve@example.com>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 250 ok
        S: 354 go
        A: send body
        D: body
        D: end
        C: x
        C: .
        S: 250 ok
        A: accepted 250 ok
        D: quit
        C: QUIT
        X: busy
        S: 221 2.0.0 bye
        X: ended"
    ));
}

#[test]
fn without_pipelining_each_command_waits_for_its_reply() {
    dialogue(&format!(
        "{PLAIN_LOGIN}
        D: send <a@b> -> <c@d>: x
        C: MAIL FROM:<a@b>
        S: 250 ok
        C: RCPT TO:<c@d>
        S: 251 ok
        C: DATA
        S: 354 go
        A: send body
        D: body
        D: end
        C: x
        C: .
        S: 250 ok
        A: accepted 250 ok"
    ));
}

#[test]
fn several_recipients_are_asked_for_together_and_data_waits_for_all() {
    dialogue(&format!(
        "{LOGIN}
        D: send <a@b> -> <c@d> <e@f> <g@h>: x
        C: MAIL FROM:<a@b> SIZE=1
        C: RCPT TO:<c@d>
        C: RCPT TO:<e@f>
        C: RCPT TO:<g@h>
        S: 250 ok
        S: 250 ok
        S: 250 ok
        S: 250 ok
        C: DATA
        S: 354 go
        A: send body
        D: body
        D: end
        C: x
        C: .
        S: 250 ok
        A: accepted 250 ok"
    ));
}

#[test]
fn one_refused_recipient_of_several_means_that_nothing_is_sent() {
    dialogue(&format!(
        "{LOGIN}
        D: send <a@b> -> <c@d> <e@f> <g@h> <i@j>: x
        C: MAIL FROM:<a@b> SIZE=1
        C: RCPT TO:<c@d>
        C: RCPT TO:<e@f>
        C: RCPT TO:<g@h>
        C: RCPT TO:<i@j>
        S: 250 ok
        S: 250 ok
        S: 451 4.7.1 later
        S: 550 5.1.1 no such user
        S: 250 ok
        C: RSET
        X: busy
        S: 250 reset
        A: refused rcpt 550 5.1.1 no such user; <e@f> 451 4.7.1 later; <g@h> 550 5.1.1 no such user
        X: ready
        D: send <a@b> -> <c@d>: x
        C: MAIL FROM:<a@b> SIZE=1
        C: RCPT TO:<c@d>
        C: DATA"
    ));
    dialogue(&format!(
        "{PLAIN_LOGIN}
        D: send <a@b> -> <c@d> <e@f>: x
        C: MAIL FROM:<a@b>
        S: 250 ok
        C: RCPT TO:<c@d>
        S: 550 5.1.1 no such user
        C: RCPT TO:<e@f>
        S: 250 ok
        C: RSET
        S: 250 reset
        A: refused rcpt 550 5.1.1 no such user; <c@d> 550 5.1.1 no such user
        X: ready"
    ));
}

#[test]
fn a_single_refused_recipient_is_cleared_away() {
    let until = format!(
        "{LOGIN}
        D: send <a@b> -> <c@d>: x
        C: MAIL FROM:<a@b> SIZE=1
        C: RCPT TO:<c@d>
        C: DATA
        S: 250 ok
        S: 550 5.1.1 no such user"
    );
    let refused = "A: refused rcpt 550 5.1.1 no such user; <c@d> 550 5.1.1 no such user\nX: ready";
    dialogue(&format!("{until}\nS: 503 no recipients\nC: RSET\nS: 250 ok\n{refused}"));
    // a 354 all the same: a dot alone, and whatever is said to it does not count
    for answer in ["554 5.5.1 no recipients", "250 2.0.0 queued"] {
        dialogue(&format!("{until}\nS: 354 go\nC: .\nS: {answer}\n{refused}"));
    }
    dialogue(&format!(
        "{PLAIN_LOGIN}
        D: send <a@b> -> <c@d>: x
        C: MAIL FROM:<a@b>
        S: 250 ok
        C: RCPT TO:<c@d>
        S: 452 4.2.2 full
        C: RSET
        S: 250 ok
        A: refused rcpt 452 4.2.2 full; <c@d> 452 4.2.2 full
        X: ready"
    ));
}

#[test]
fn a_relay_that_cannot_clear_away_is_left() {
    let several = "D: send <a@b> -> <c@d> <e@f>: x
        C: MAIL FROM:<a@b> SIZE=1
        C: RCPT TO:<c@d>
        C: RCPT TO:<e@f>
        S: 250 ok
        S: 550 no
        S: 250 ok
        C: RSET
        S: 500 what";
    dialogue(&format!("{LOGIN}\n{several}\nA: refused rcpt 550 no; <c@d> 550 no\nX: ended"));
    let single = "D: send <a@b> -> <c@d>: x
        C: MAIL FROM:<a@b> SIZE=1
        C: RCPT TO:<c@d>
        C: DATA
        S: 250 ok
        S: 550 no
        S: 354 go
        C: .
        S: 421 bye";
    dialogue(&format!("{LOGIN}\n{single}\nA: refused rcpt 550 no; <c@d> 550 no\nX: ended"));
}

#[test]
fn a_refused_sender_needs_no_reset() {
    for (to, data) in [("<c@d>", "C: DATA\n"), ("<c@d> <e@f>", "C: RCPT TO:<e@f>\n")] {
        dialogue(&format!(
            "{LOGIN}
            D: send <a@b> -> {to}: x
            C: MAIL FROM:<a@b> SIZE=1
            C: RCPT TO:<c@d>
            {data}S: 550 5.7.60 not your address
            S: 503 sender first
            S: 503 sender first
            A: refused mail 550 5.7.60 not your address
            X: ready",
        ));
    }
    dialogue(&format!(
        "{PLAIN_LOGIN}
        D: send <a@b> -> <c@d> <e@f>: x
        C: MAIL FROM:<a@b>
        S: 432 4.3.2 sender thread limit exceeded
        A: refused mail 432 4.3.2 sender thread limit exceeded
        X: ready"
    ));
    // a relay out of its mind
    dialogue(&format!(
        "{LOGIN}
        D: send <a@b> -> <c@d>: x
        C: MAIL FROM:<a@b> SIZE=1
        C: RCPT TO:<c@d>
        C: DATA
        S: 550 no
        S: 250 ok
        S: 354 go
        C: .
        S: 554 what
        A: refused mail 550 no
        X: ready"
    ));
}

#[test]
fn a_refused_data_is_reset() {
    dialogue(&format!(
        "{LOGIN}
        D: send <a@b> -> <c@d>: x
        C: MAIL FROM:<a@b> SIZE=1
        C: RCPT TO:<c@d>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 451 4.3.0 not now
        C: RSET
        S: 250 ok
        A: refused data 451 4.3.0 not now
        X: ready"
    ));
}

#[test]
fn a_refusal_of_the_message_leaves_the_connection_ready() {
    for reply in ["554 5.2.252 SendAsDenied", "432 4.3.2 sender thread limit exceeded"] {
        dialogue(&format!(
            "{LOGIN}
            D: send <a@b> -> <c@d>: x
            C: MAIL FROM:<a@b> SIZE=1
            C: RCPT TO:<c@d>
            C: DATA
            S: 250 ok
            S: 250 ok
            S: 354 go
            A: send body
            D: body
            D: end
            C: x
            C: .
            S: {reply}
            A: refused final-dot {reply}
            X: ready"
        ));
    }
}

#[test]
fn what_must_be_declared_is_declared_where_it_is_offered() {
    for (message, mail) in [
        (r"<a@b> -> <c@d>: Subject: x\r\n\r\n\xc3\xa9\r\n", "MAIL FROM:<a@b> SIZE=18 BODY=8BITMIME"),
        (r"<a@b> -> <c@d> 8bit: x\r\n", "MAIL FROM:<a@b> SIZE=3 BODY=8BITMIME"),
        (r"<a@b> -> <c@d> utf8: x\r\n", "MAIL FROM:<a@b> SIZE=3 SMTPUTF8"),
        (r"<a@b> -> <c@d> utf8: S: \xc3\xa9\r\n", "MAIL FROM:<a@b> SIZE=7 BODY=8BITMIME SMTPUTF8"),
        (r"<é@b> -> <c@d> utf8: x\r\n", "MAIL FROM:<é@b> SIZE=3 SMTPUTF8"),
        (r"<a@b> -> <c@d>: x\r\n", "MAIL FROM:<a@b> SIZE=3"),
    ] {
        dialogue(&format!("{LOGIN}\nD: send {message}\nC: {mail}\nC: RCPT TO:<c@d>\nC: DATA"));
    }
}

#[test]
fn what_cannot_be_declared_is_not_sent() {
    let eight_bit = "the message has 8-bit text and the relay does not offer 8BITMIME";
    let utf8 = "the message has internationalised addresses or headers and the relay does not offer SMTPUTF8";
    for (message, why) in [
        (r"<a@b> -> <c@d>: Subject: x\r\n\r\n\xc3\xa9\r\n", eight_bit),
        (r"<a@b> -> <c@d>: S: \xc3\xa9\r\n", eight_bit),
        (r"<a@b> -> <c@d> utf8: S: \xc3\xa9\r\n", utf8),
        (r"<é@b> -> <c@d> utf8: x\r\n", utf8),
        (r"<a@b> -> <c@d> <é@b> utf8: x\r\n", utf8),
    ] {
        dialogue(&format!("{PLAIN_LOGIN}\nD: send {message}\nA: unsendable {why}\nX: ready"));
    }
    // declared by the app, and not needed
    dialogue(&format!("{PLAIN_LOGIN}\nD: send <a@b> -> <c@d> 8bit utf8: x\nC: MAIL FROM:<a@b>"));
}

#[test]
fn what_is_larger_than_the_relay_takes_is_not_sent() {
    let body = |n: usize| "x".repeat(n);
    dialogue(&format!(
        "{LOGIN}
        D: send <a@b> -> <c@d>: {}
        A: unsendable the message has 1001 octets and the relay takes 1000
        X: ready
        D: send <a@b> -> <c@d>: {}
        C: MAIL FROM:<a@b> SIZE=1000
        C: RCPT TO:<c@d>
        C: DATA",
        body(1_001),
        body(1_000)
    ));
    let no_limit = LOGIN.replace("SIZE 1000", "SIZE 0");
    dialogue(&format!(
        "{no_limit}\nD: send <a@b> -> <c@d> <e@f>: {}\nC: MAIL FROM:<a@b> SIZE=2000\nC: RCPT TO:<c@d>\nC: RCPT TO:<e@f>",
        body(2_000)
    ));
}

#[test]
fn half_a_message_cannot_be_ended() {
    let until_body = format!(
        "{LOGIN}
        D: send <a@b> -> <c@d>: hello
        C: MAIL FROM:<a@b> SIZE=5
        C: RCPT TO:<c@d>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 354 go
        A: send body"
    );
    let mut run = Run::after(&settings("token"), &until_body);
    let mut out = Vec::new();
    assert!(run.dialogue.end_of_body(&mut out, run.now).is_err());
    run.dialogue.body(b"hell", &mut out, run.now).unwrap();
    assert!(run.dialogue.end_of_body(&mut out, run.now).is_err());
    assert!(run.dialogue.body(b"ooo", &mut out, run.now).is_err());
    assert_eq!(out, b"hell");
    run.dialogue.body(b"o", &mut out, run.now).unwrap();
    run.dialogue.end_of_body(&mut out, run.now).unwrap();
    assert_eq!(out, b"hello\r\n.\r\n");
    assert!(run.dialogue.body(b"", &mut out, run.now).is_err());
    assert!(run.dialogue.end_of_body(&mut out, run.now).is_err());
}

#[test]
fn nothing_is_sent_out_of_turn() {
    let (message, _) = message("<a@b> -> <c@d>: x");
    let until_login = LOGIN.split("S: 235").next().unwrap();
    let mut run = Run::after(&settings("token"), until_login);
    assert!(run.dialogue.send(message.clone(), run.now).is_err());
    assert!(run.dialogue.quit(run.now).is_err());
    assert!(run.dialogue.body(b"x", &mut Vec::new(), run.now).is_err());

    let mut run = Run::after(&settings("token"), LOGIN);
    let mut to_nobody = message.clone();
    to_nobody.envelope.to.clear();
    assert!(run.dialogue.send(to_nobody, run.now).is_err());
    assert!(run.dialogue.send(message.clone(), run.now).unwrap().is_none());
    assert!(run.dialogue.send(message, run.now).is_err());
}

#[test]
fn without_pipelining_a_used_connection_is_reset_before_anything_else() {
    let sent = "
        D: send <a@b> -> <c@d>: x
        C: MAIL FROM:<a@b>
        S: 250 ok
        C: RCPT TO:<c@d>
        S: 250 ok
        C: DATA
        S: 354 go
        A: send body
        D: body
        D: end
        C: x
        C: .
        S: 250 ok
        A: accepted 250 ok";
    let again = sent.replace("C: MAIL", "C: RSET\nS: 250 reset\nC: MAIL");
    dialogue(&format!("{PLAIN_LOGIN}{sent}{again}"));
}

#[test]
fn a_reset_that_is_refused_ends_the_connection_and_nothing_is_sent() {
    let used = format!(
        "{LOGIN}
        D: send <a@b> -> <c@d>: x
        C: MAIL FROM:<a@b> SIZE=1
        C: RCPT TO:<c@d>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 354 go
        A: send body
        D: body
        D: end
        C: x
        C: .
        S: 250 ok
        A: accepted 250 ok
        D: send <a@b> -> <c@d>: y
        C: RSET
        C: MAIL FROM:<a@b> SIZE=1
        C: RCPT TO:<c@d>
        C: DATA"
    );
    for refusal in ["421 4.3.2 leaving", "503 5.5.1 no"] {
        let rest = "S: 250 ok\nS: 250 ok\nS: 354 go";
        dialogue(&format!("{used}\nS: {refusal}\n{rest}\nA: refused reset {refusal}\nX: ended"));
    }
    dialogue(&format!("{used}\nD: closed\nA: failed the connection was closed after RSET\nX: ended"));
    dialogue(&format!("{used}\nD: timeout\nA: failed the relay did not answer in time after RSET\nX: ended"));
}
