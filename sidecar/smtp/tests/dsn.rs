//! Delivery status notifications: what the app asks for, and what the relay is asked for.

use mail_egress_smtp::server::Settings;

use crate::{
    dialogue::{LOGIN, PLAIN_LOGIN, dialogue},
    session::{session, session_with},
};

#[test]
fn what_the_app_asks_for_is_in_the_envelope() {
    session(
        "S: 220 localhost ESMTP mail-egress
         C: HELO app
         S: 250 localhost
         C: MAIL FROM:<a@b.test> RET=hdrs ENVID=QQ+2B314
         C: RCPT TO:<bob@c.test> NOTIFY=success,failure ORCPT=rfc822;Bob@C.test
         C: RCPT TO:<eve@c.test>
         C: RCPT TO:<joe@c.test> NOTIFY=NEVER
         C: DATA
         S: 250 2.1.0 sender taken
         S: 250 2.1.5 recipient taken
         S: 250 2.1.5 recipient taken
         S: 250 2.1.5 recipient taken
         E: data <a@b.test> -> <bob@c.test> notify=SUCCESS,FAILURE orcpt=rfc822;Bob@C.test <eve@c.test> <joe@c.test> notify=NEVER ret=HDRS envid=QQ+2B314
         D: permit
         S: 354 send the message, end it with <CRLF>.<CRLF>
         C: .
         E: end
         D: accept OK
         S: 250 2.0.0 OK",
    );
}

#[test]
fn a_bad_value_is_refused_and_leaves_the_transaction_as_it_was() {
    session(
        "S: 220 localhost ESMTP mail-egress
         C: HELO app
         S: 250 localhost
         C: MAIL FROM:<a@b.test> RET=NONE
         S: 501 5.5.4 a parameter's value is not valid, or given twice
         C: MAIL FROM:<a@b.test> ENVID=a+0D+0ARCPT
         S: 501 5.5.4 a parameter's value is not valid, or given twice
         C: MAIL FROM:<a@b.test>
         S: 250 2.1.0 sender taken
         C: RCPT TO:<bob@c.test> NOTIFY=NEVER,SUCCESS
         S: 501 5.5.4 a parameter's value is not valid, or given twice
         C: RCPT TO:<bob@c.test> ORCPT=bob@c.test
         S: 501 5.5.4 a parameter's value is not valid, or given twice
         C: RCPT TO:<bob@c.test> ORCPT=utf-8;bücher@c.test
         S: 553 5.6.7 an address with other letters than ASCII needs SMTPUTF8
         C: RCPT TO:<bob@c.test>
         S: 250 2.1.5 recipient taken
         C: DATA
         E: data <a@b.test> -> <bob@c.test>
         D: refuse 451 3.5 not now
         S: 451 4.3.5 not now",
    );
}

#[test]
fn a_way_out_without_anything_like_it_takes_no_parameters() {
    session_with(
        Settings { dsn: false, ..Settings::default() },
        "S: 220 localhost ESMTP mail-egress
         C: HELO app
         S: 250 localhost
         C: MAIL FROM:<a@b.test> RET=FULL
         S: 555 5.5.4 a parameter is not offered here, see EHLO
         C: MAIL FROM:<a@b.test>
         S: 250 2.1.0 sender taken
         C: RCPT TO:<bob@c.test> NOTIFY=NEVER
         S: 555 5.5.4 a parameter is not offered here, see EHLO",
    );
}

#[test]
fn original_recipients_count_among_what_a_session_holds() {
    session_with(
        Settings { max_recipient_octets: 20, ..Settings::default() },
        "S: 220 localhost ESMTP mail-egress
         C: HELO app
         S: 250 localhost
         C: MAIL FROM:<a@b.test>
         S: 250 2.1.0 sender taken
         C: RCPT TO:<b@c.test> ORCPT=rfc822;xxxxxx
         S: 452 4.5.3 too many recipients, send the others with another message
         C: RCPT TO:<b@c.test> ORCPT=rfc822;xxxxx
         S: 250 2.1.5 recipient taken",
    );
}

#[test]
fn a_relay_that_offers_dsn_is_asked_for_the_same() {
    let offers_dsn = LOGIN.replace("S: 250 SMTPUTF8", "S: 250-SMTPUTF8\n    S: 250 DSN");
    dialogue(&format!(
        "{offers_dsn}
        D: send <a@b> -> <c@d> notify=DELAY,SUCCESS orcpt=rfc822;C@D <e@f> <g@h> notify=NEVER ret=FULL envid=x+2B: x
        C: MAIL FROM:<a@b> SIZE=1 RET=FULL ENVID=x+2B
        C: RCPT TO:<c@d> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;C@D
        C: RCPT TO:<e@f>
        C: RCPT TO:<g@h> NOTIFY=NEVER"
    ));
    dialogue(&format!(
        "{offers_dsn}
        D: send <a@b> -> <c@d> orcpt=utf-8;bücher@d: x
        C: MAIL FROM:<a@b> SIZE=1 SMTPUTF8
        C: RCPT TO:<c@d> ORCPT=utf-8;bücher@d
        C: DATA"
    ));
}

#[test]
fn a_relay_that_does_not_is_told_nothing_of_the_message() {
    for asked in ["<c@d> ret=HDRS", "<c@d> envid=x", "<c@d> <e@f> notify=NEVER", "<c@d> notify=FAILURE"] {
        for login in [LOGIN, PLAIN_LOGIN] {
            dialogue(&format!(
                "{login}
                D: send <a@b> -> {asked}: x
                A: unsendable the message asks for delivery status notifications and the relay does not offer DSN
                X: ready"
            ));
        }
    }
}
