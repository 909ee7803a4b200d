//! Whether somebody who shows this user and token may send from this mailbox.

mod services;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use secrecy::ExposeSecret;

use crate::lab::directory::{App, Directory, Mailbox, matches};
use crate::lab::token::{CONSUMERS_TENANT, Claims, Invalid, Mint};
pub(super) use services::{admit_to_communication, admit_to_high_volume};

/// Audiences that Exchange takes for its own; those of the sovereign clouds, the last two, are inferred.
const AUDIENCES: [&str; 5] = [
    "https://outlook.office365.com",
    "https://outlook.office.com",
    "00000002-0000-0ff1-ce00-000000000000",
    "https://outlook.office365.us",
    "https://partner.outlook.cn",
];

/// Who was let in; on port 25, nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Admitted {
    /// The mailbox's primary address.
    pub(super) mailbox: String,
    /// The app's client id; none where a password was shown.
    pub(super) client_id: String,
}

/// Why somebody was not let in. A client sees less: 535.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The SASL response is not of the form of XOAUTH2.
    #[error("the response is not base64 of user=…^Aauth=Bearer …^A^A")]
    Malformed,
    /// The token does not hold.
    #[error(transparent)]
    Token(#[from] Invalid),
    /// The token is for somebody else.
    #[error("the token's audience is {0}")]
    Audience(String),
    /// The token is another tenant's.
    #[error("the token's tenant is {0}")]
    Tenant(String),
    /// The app is not registered (any more), or disabled.
    #[error("the app {0} is unknown or disabled")]
    App(String),
    /// There is no such mailbox.
    #[error("there is no mailbox {0}")]
    Mailbox(String),
    /// The token has `SMTP.SendAsApp`, but the app has no FullAccess on the mailbox.
    #[error("SMTP.SendAsApp in the token asks for FullAccess on {0}, which was not granted")]
    NoFullAccess(String),
    /// The token has no `SMTP.SendAsApp`, and no RBAC scope has the mailbox in it.
    #[error("no SMTP.SendAsApp in the token, and {0} is in no RBAC scope of the app")]
    OutOfScope(String),
    /// SMTP AUTH is off for the tenant and the mailbox inherits it.
    #[error("SmtpClientAuthentication is disabled for the tenant")]
    DisabledForTenant,
    /// SMTP AUTH is off for the mailbox.
    #[error("SmtpClientAuthentication is disabled for the mailbox")]
    DisabledForMailbox,
    /// The token is a user's, who has not allowed `SMTP.Send`.
    #[error("the user has not allowed SMTP.Send but {0:?}")]
    NoSmtpSend(String),
    /// The token is a user's, and this is another's mailbox.
    #[error("the token is {0}'s")]
    AnotherUser(String),
    /// High Volume Email wants a token that lasts ten minutes more.
    #[error("the token ends within ten minutes")]
    EndsSoon,
    /// The token has no `Mail.Send`, or the app no access to High Volume Email accounts.
    #[error("no Mail.Send in the token, or no Add-HVEAppAccess, for {0}")]
    NoHighVolumeAccess(String),
    /// A user name and a password were shown, and the mailbox has no password or another one.
    #[error("basic authentication")]
    Password,
    /// The fault [`ErrorChallenge`](super::ExchangeFault::ErrorChallenge).
    #[error("ordered")]
    Ordered,
}

/// Reads a SASL XOAUTH2 response: user and token.
pub(super) fn read_response(base64: &str) -> Result<(String, String), Refused> {
    let bytes = STANDARD.decode(base64).map_err(|_| Refused::Malformed)?;
    let text = String::from_utf8(bytes).map_err(|_| Refused::Malformed)?;
    let inner = text.strip_prefix("user=").and_then(|rest| rest.strip_suffix("\u{1}\u{1}"));
    let (user, token) =
        inner.and_then(|inner| inner.split_once("\u{1}auth=Bearer ")).ok_or(Refused::Malformed)?;
    if user.is_empty() || token.is_empty() || token.contains(|c: char| !c.is_ascii_graphic()) {
        return Err(Refused::Malformed);
    }
    Ok((user.to_owned(), token.to_owned()))
}

/// Checks the token, then what it allows: FullAccess where it has the role, else the RBAC scope
/// (fact sheet B).
pub(super) fn admit(
    directory: &Directory,
    mint: &Mint,
    user: &str,
    token: &str,
    now: Timestamp,
) -> Result<Admitted, Refused> {
    let (claims, app) = known_app(directory, mint, token, now)?;
    let mailbox = directory.mailbox(user).ok_or_else(|| Refused::Mailbox(user.to_owned()))?;
    if claims.idtyp == "user" {
        check_user(&claims, mailbox)?;
        enabled(directory, mailbox)?;
        return Ok(Admitted { mailbox: mailbox.address.clone(), client_id: app.client_id.clone() });
    }
    let holds = |ids: &[String]| ids.iter().any(|id| id.eq_ignore_ascii_case(&app.client_id));
    if claims.roles.iter().any(|role| role == App::SMTP_SEND_AS_APP) {
        if !holds(&mailbox.full_access) {
            return Err(Refused::NoFullAccess(mailbox.address.clone()));
        }
    } else if !app.rbac_scope.iter().any(|pattern| matches(pattern, &mailbox.address)) {
        return Err(Refused::OutOfScope(mailbox.address.clone()));
    }
    enabled(directory, mailbox)?;
    Ok(Admitted { mailbox: mailbox.address.clone(), client_id: app.client_id.clone() })
}

/// A user's token opens the user's own mailbox, and no other (fact sheet B: what it does with a shared
/// one is uncertain).
fn check_user(claims: &Claims, mailbox: &Mailbox) -> Result<(), Refused> {
    if !claims.scp.split(' ').any(|permission| permission == App::SMTP_SEND) {
        return Err(Refused::NoSmtpSend(claims.scp.clone()));
    }
    if !claims.upn.eq_ignore_ascii_case(&mailbox.address) {
        return Err(Refused::AnotherUser(claims.upn.clone()));
    }
    Ok(())
}

/// Checks what holds wherever a token for Exchange is shown: that it is in force, and whose it is.
fn known_app<'a>(
    directory: &'a Directory,
    mint: &Mint,
    token: &str,
    now: Timestamp,
) -> Result<(Claims, &'a App), Refused> {
    let claims = mint.verify(token, now)?;
    if !AUDIENCES.contains(&claims.aud.trim_end_matches('/')) {
        return Err(Refused::Audience(claims.aud));
    }
    if claims.tid != directory.tenant.id && claims.tid != CONSUMERS_TENANT {
        return Err(Refused::Tenant(claims.tid));
    }
    let app = directory.app(&claims.appid).filter(|app| app.enabled);
    let app = app.ok_or_else(|| Refused::App(claims.appid.clone()))?;
    Ok((claims, app))
}

/// Checks a password, where the mailbox lets one in at all.
pub(super) fn admit_by_password(
    directory: &Directory,
    user: &str,
    password: &str,
) -> Result<Admitted, Refused> {
    let mailbox = directory.mailbox(user).ok_or(Refused::Password)?;
    match &mailbox.password {
        Some(right) if right.expose_secret() == password => {}
        Some(_) | None => return Err(Refused::Password),
    }
    enabled(directory, mailbox)?;
    Ok(Admitted { mailbox: mailbox.address.clone(), client_id: String::new() })
}

fn enabled(directory: &Directory, mailbox: &Mailbox) -> Result<(), Refused> {
    match (mailbox.smtp_client_authentication, directory.tenant.smtp_client_authentication) {
        (Some(false), _) => Err(Refused::DisabledForMailbox),
        (None, false) => Err(Refused::DisabledForTenant),
        (Some(true), _) | (None, true) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::token::{Claims, EXCHANGE_AUDIENCE, Form};
    use crate::lab::{DEFAULT_MAILBOX, LabOptions};

    const SCOPED: &str = "an app under RBAC for Applications";

    fn directory() -> Directory {
        let mut directory = LabOptions::default().directory;
        directory.apps.push(App::with_secret(SCOPED, "x").scoped_to(&["*@contoso.com"]));
        directory.mailboxes.push(Mailbox::new("other@contoso.com"));
        directory
    }

    fn verdict(app: usize, user: &str, change: impl Fn(&mut Directory, &mut Claims)) -> Result<(), Refused> {
        let (mut directory, mint, now) = (directory(), Mint::new().unwrap(), Timestamp::now());
        let mut claims = Claims::of(&directory, &directory.apps[app], EXCHANGE_AUDIENCE, now);
        change(&mut directory, &mut claims);
        let token = mint.issue(&claims, Form::Jwt).unwrap();
        admit(&directory, &mint, user, token.expose_secret(), now).map(|_| ())
    }

    #[test]
    fn the_role_needs_full_access_on_the_mailbox() {
        assert_eq!(verdict(0, DEFAULT_MAILBOX, |_, _| ()), Ok(()));
        assert_eq!(verdict(0, "Billing@Contoso.COM", |_, _| ()), Ok(()));
        let other = "other@contoso.com".to_owned();
        assert_eq!(verdict(0, &other, |_, _| ()), Err(Refused::NoFullAccess(other)));
        let nobody = "nobody@contoso.com".to_owned();
        assert_eq!(verdict(0, &nobody, |_, _| ()), Err(Refused::Mailbox(nobody)));
    }

    #[test]
    fn without_the_role_the_rbac_scope_decides() {
        assert_eq!(verdict(1, "other@contoso.com", |_, _| ()), Ok(()));
        let out = Err(Refused::OutOfScope(DEFAULT_MAILBOX.to_owned()));
        assert_eq!(verdict(0, DEFAULT_MAILBOX, |_, claims| claims.roles.clear()), out);
        assert_eq!(verdict(0, DEFAULT_MAILBOX, |_, claims| claims.roles = vec!["Mail.Send".to_owned()]), out);
    }

    #[test]
    fn the_role_beside_an_rbac_scope_asks_for_full_access_all_the_same() {
        let with_role =
            |_: &mut Directory, claims: &mut Claims| claims.roles.push(App::SMTP_SEND_AS_APP.to_owned());
        assert!(matches!(verdict(1, DEFAULT_MAILBOX, with_role), Err(Refused::NoFullAccess(_))));
    }

    #[test]
    fn a_users_token_opens_the_users_own_mailbox() {
        let own = |_: &mut Directory, claims: &mut Claims| {
            *claims = claims.clone().on_behalf_of("billing@contoso.com", "SMTP.Send");
        };
        assert_eq!(verdict(1, DEFAULT_MAILBOX, own), Ok(()));
        let anothers = Err(Refused::AnotherUser(DEFAULT_MAILBOX.to_owned()));
        assert_eq!(verdict(1, "other@contoso.com", own), anothers);
        let reads = |_: &mut Directory, claims: &mut Claims| {
            *claims = claims.clone().on_behalf_of(DEFAULT_MAILBOX, "IMAP.AccessAsUser.All");
        };
        assert!(matches!(verdict(1, DEFAULT_MAILBOX, reads), Err(Refused::NoSmtpSend(_))));
    }

    #[test]
    fn a_token_for_another_resource_or_tenant_or_app_is_refused() {
        let refused =
            |change: fn(&mut Directory, &mut Claims)| verdict(0, DEFAULT_MAILBOX, change).unwrap_err();
        assert!(matches!(
            refused(|_, c| c.aud = "https://graph.microsoft.com".to_owned()),
            Refused::Audience(_)
        ));
        assert!(matches!(refused(|_, c| c.tid = "x".to_owned()), Refused::Tenant(_)));
        assert!(matches!(refused(|d, _| d.apps[0].enabled = false), Refused::App(_)));
        assert_eq!(refused(|_, c| c.exp = c.iat - 1), Refused::Token(Invalid::Expired));
    }

    #[test]
    fn smtp_auth_can_be_off_for_the_tenant_or_the_mailbox() {
        let off = |d: &mut Directory| d.tenant.smtp_client_authentication = false;
        let mailbox = |d: &mut Directory, on| d.mailboxes[0].smtp_client_authentication = Some(on);
        assert_eq!(verdict(0, DEFAULT_MAILBOX, |d, _| off(d)), Err(Refused::DisabledForTenant));
        assert_eq!(verdict(0, DEFAULT_MAILBOX, |d, _| mailbox(d, false)), Err(Refused::DisabledForMailbox));
        let overridden = |d: &mut Directory, _: &mut Claims| {
            off(d);
            mailbox(d, true);
        };
        assert_eq!(verdict(0, DEFAULT_MAILBOX, overridden), Ok(()));
    }

    #[test]
    fn reads_only_the_exact_form_of_xoauth2() {
        let read = |text: &str| read_response(&STANDARD.encode(text));
        assert_eq!(read("user=a@b\u{1}auth=Bearer t\u{1}\u{1}"), Ok(("a@b".to_owned(), "t".to_owned())));
        for wrong in [
            "",
            "user=a@b token=t",
            "user=a@b\u{1}auth=Bearer t\u{1}",
            "user=a@b\u{1}auth=Bearer \u{1}\u{1}",
            "user=a@b\u{1}auth=bearer t\u{1}\u{1}",
            "user=a@b\u{1}auth=Bearer t\u{1}x=y\u{1}\u{1}",
        ] {
            assert_eq!(read(wrong), Err(Refused::Malformed), "{wrong:?}");
        }
        assert_eq!(read_response("***"), Err(Refused::Malformed));
    }
}
