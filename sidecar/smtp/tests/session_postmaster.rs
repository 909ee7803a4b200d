//! The one recipient that needs no domain (RFC 5321 section 4.5.1).

use mail_egress_smtp::server::Settings;

use crate::session::{session, session_with};

#[test]
fn the_postmaster_is_that_of_the_mailboxs_domain_in_whatever_case() {
    session_with(
        Settings { postmaster_domain: Some("contoso.com".to_owned()), ..Settings::default() },
        "S: 220 localhost ESMTP mail-egress
         C: HELO app
         S: 250 localhost
         C: MAIL FROM:<a@b.test>
         E: sender <a@b.test>
         D: permit
         S: 250 2.1.0 sender taken
         C: rcpt to:<PostMaster>
         E: recipient <PostMaster@contoso.com>
         D: permit
         S: 250 2.1.5 recipient taken
         C: RCPT TO:<postmaster> NOTIFY=NEVER
         E: recipient <postmaster@contoso.com>
         D: refuse 550 7.1 not to him
         S: 550 5.7.1 not to him
         C: RCPT TO:<postmaster@example.com>
         E: recipient <postmaster@example.com>
         D: permit
         S: 250 2.1.5 recipient taken
         C: RCPT TO:<hostmaster>
         S: 501 5.1.3 the address has no domain
         C: DATA
         E: data <a@b.test> -> <PostMaster@contoso.com> <postmaster@example.com>
         D: refuse 451 3.5 not now
         S: 451 4.3.5 not now",
    );
}

#[test]
fn without_a_domain_it_is_for_later() {
    session(
        "S: 220 localhost ESMTP mail-egress
         C: HELO app
         S: 250 localhost
         C: RCPT TO:<postmaster>
         S: 503 5.5.1 say MAIL first
         C: MAIL FROM:<a@b.test>
         S: 250 2.1.0 sender taken
         C: RCPT TO:<postmaster>
         S: 451 4.3.5 it is not known yet whose postmaster that is, since the sidecar has no mailbox; name the domain, or try again
         C: RCPT TO:<a@b.test>
         S: 250 2.1.5 recipient taken",
    );
}
