//! Commands that carry no mail.

use crate::session::session;

#[test]
fn answers_the_small_commands() {
    session(
        "
        S: 220 localhost ESMTP mail-egress
        C: NOOP
        S: 250 2.0.0 OK
        C: HELP
        S: 214 2.0.0 send mail as usual: EHLO, MAIL, RCPT, DATA or BDAT; also RSET, NOOP, VRFY, AUTH, QUIT
        C: VRFY ann
        S: 252 2.5.0 recipients are not verified here, send and see
        C: EXPN all
        S: 502 5.5.1 lists are not expanded here
        C: ETRN example.com
        S: 502 5.5.1 this command is not offered here, see EHLO
        C: FOO
        S: 500 5.5.1 no such command
        C:
        S: 500 5.5.1 no such command
        C: EHLO
        S: 501 5.5.4 say EHLO and your name
        ",
    );
}

#[test]
fn says_why_there_is_no_starttls_and_goes_on() {
    session(
        "
        S: 220 localhost ESMTP mail-egress
        C: STARTTLS
        S: 502 5.5.1 STARTTLS is not offered: this listener is on the loopback interface only; turn TLS off in the app, the way to the mail server is encrypted by the sidecar
        C: NOOP
        S: 250 2.0.0 OK
        ",
    );
}

#[test]
fn a_web_request_is_not_read_for_commands() {
    session(
        "
        S: 220 localhost ESMTP mail-egress
        C: POST / HTTP/1.1
        C: Host: 127.0.0.1:2525
        C:
        C: EHLO app
        C: MAIL FROM:<eve@example.com>
        S: 421 4.7.0 this is an SMTP server, not a web server, closing
        X: closed
        ",
    );
}
