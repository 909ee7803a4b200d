//! Who may do what: the token, the app, and the mailbox.

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use jiff::Timestamp;

use super::Inner;
use super::answer::Refusal;
use crate::lab::directory::{App, matches};
use crate::lab::token::{CONSUMERS_TENANT, GRAPH_AUDIENCE};

/// Graph as an application, which is an audience of its tokens too.
const GRAPH_APP: &str = "00000003-0000-0000-c000-000000000000";
/// What drafts need.
const MAIL_READ_WRITE: &str = "Mail.ReadWrite";

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permission {
    /// To send.
    Send,
    /// To write into the mailbox.
    Write,
}

/// Who was let in.
#[derive(Clone, Debug)]
pub(super) struct Admitted {
    /// The mailbox's primary address.
    pub(super) mailbox: String,
    /// The app's client id.
    pub(super) client_id: String,
}

/// Checks the bearer token, then what it allows.
pub(super) fn admit(
    inner: &Inner,
    head: &HeaderMap,
    user: &str,
    permission: Permission,
) -> Result<Admitted, Refusal> {
    let shown = head.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(token) = shown.and_then(|shown| shown.strip_prefix("Bearer ")) else {
        return Err(Refusal::new(401, "InvalidAuthenticationToken", "Access token is empty."));
    };
    let invalid = |why: &str| Refusal::new(401, "InvalidAuthenticationToken", why);
    let claims = inner.mint.verify(token, Timestamp::now()).map_err(|why| invalid(&why.to_string()))?;
    if ![GRAPH_AUDIENCE, GRAPH_APP].contains(&claims.aud.trim_end_matches('/')) {
        return Err(invalid("Access token validation failure. Invalid audience."));
    }
    let directory = inner.directory.borrow();
    let known = [directory.tenant.id.as_str(), CONSUMERS_TENANT].contains(&claims.tid.as_str());
    let app = directory.app(&claims.appid).filter(|app| app.enabled && known);
    let app = app.ok_or_else(|| invalid("The application is unknown or disabled."))?;
    let denied =
        || Refusal::new(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.");
    let Some(mailbox) = directory.mailbox(user) else {
        return Err(Refusal::new(
            404,
            "ErrorInvalidUser",
            &format!("The requested user '{user}' is invalid."),
        ));
    };
    let role = match permission {
        Permission::Send => App::MAIL_SEND,
        Permission::Write => MAIL_READ_WRITE,
    };
    if claims.idtyp == "user" {
        let allowed = claims.scp.split(' ').any(|permission| permission == role);
        return match allowed && claims.upn.eq_ignore_ascii_case(&mailbox.address) {
            true => Ok(Admitted { mailbox: mailbox.address.clone(), client_id: app.client_id.clone() }),
            false => Err(denied()),
        };
    }
    let by_scope = app.rbac_scope.iter().any(|pattern| matches(pattern, &mailbox.address));
    match claims.roles.iter().any(|own| own == role) {
        true => {}
        false if permission == Permission::Send && by_scope => {}
        false if claims.roles.is_empty() && app.rbac_scope.is_empty() => {
            return Err(Refusal::new(
                401,
                "NoPermissionsInAccessToken",
                "The token contains no permissions, or permissions can not be understood.",
            ));
        }
        false => return Err(denied()),
    }
    Ok(Admitted { mailbox: mailbox.address.clone(), client_id: app.client_id.clone() })
}
