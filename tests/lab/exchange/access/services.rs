//! Who High Volume Email and Azure Communication Services let in.

use jiff::Timestamp;
use secrecy::ExposeSecret;

use super::{Admitted, Refused, known_app};
use crate::lab::directory::{App, Directory};
use crate::lab::token::Mint;

/// A token that ends sooner is refused, in seconds (fact sheet A).
const MARGIN: i64 = 600;

/// High Volume Email: the role, access for the app, and a token with some time left.
pub(in crate::lab::exchange) fn admit_to_high_volume(
    directory: &Directory,
    mint: &Mint,
    user: &str,
    token: &str,
    now: Timestamp,
) -> Result<Admitted, Refused> {
    let (claims, app) = known_app(directory, mint, token, now)?;
    if claims.exp - now.as_second() < MARGIN {
        return Err(Refused::EndsSoon);
    }
    let mailbox = directory.mailbox(user).ok_or_else(|| Refused::Mailbox(user.to_owned()))?;
    let access = &directory.organization.high_volume_apps;
    let has_access = access.iter().any(|id| id.eq_ignore_ascii_case(&app.client_id));
    if !has_access || !claims.roles.iter().any(|role| role == App::MAIL_SEND) {
        return Err(Refused::NoHighVolumeAccess(mailbox.address.clone()));
    }
    Ok(Admitted { mailbox: mailbox.address.clone(), client_id: app.client_id.clone() })
}

/// Azure Communication Services: the password is a secret of the app that the user name stands for. It
/// is looked up each time, so that one that was taken back fails at once.
pub(in crate::lab::exchange) fn admit_to_communication(
    directory: &Directory,
    user: &str,
    password: &str,
    now: Timestamp,
) -> Result<Admitted, Refused> {
    let communication = &directory.organization.communication;
    let id = communication.app_of(user, &directory.tenant.id).ok_or(Refused::Password)?;
    let app = directory.app(&id).filter(|app| app.enabled).ok_or(Refused::App(id))?;
    let holds = app.secrets.iter().any(|secret| {
        secret.value.expose_secret() == password && secret.expires.is_none_or(|expires| now < expires)
    });
    let owner = communication.owners.iter().any(|id| id.eq_ignore_ascii_case(&app.client_id));
    if !holds || !owner {
        return Err(Refused::Password);
    }
    Ok(Admitted { mailbox: user.to_owned(), client_id: app.client_id.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::token::{Claims, EXCHANGE_AUDIENCE, Form};
    use crate::lab::{DEFAULT_MAILBOX, DEFAULT_SECRET, Kind, LabOptions};

    fn verdict(change: impl Fn(&mut Directory, &mut Claims)) -> Result<(), Refused> {
        let mut directory = LabOptions::of(Kind::HighVolumeEmail).directory;
        let (mint, now) = (Mint::new().unwrap(), Timestamp::now());
        let mut claims = Claims::of(&directory, &directory.apps[0], EXCHANGE_AUDIENCE, now);
        change(&mut directory, &mut claims);
        let token = mint.issue(&claims, Form::Jwt).unwrap();
        admit_to_high_volume(&directory, &mint, DEFAULT_MAILBOX, token.expose_secret(), now).map(drop)
    }

    #[test]
    fn high_volume_email_wants_the_role_access_and_ten_minutes() {
        let denied = Err(Refused::NoHighVolumeAccess(DEFAULT_MAILBOX.to_owned()));
        assert_eq!(verdict(|_, _| ()), Ok(()));
        assert_eq!(verdict(|_, c| c.roles = vec![App::SMTP_SEND_AS_APP.to_owned()]), denied);
        assert_eq!(verdict(|d, _| d.organization.high_volume_apps.clear()), denied);
        assert_eq!(verdict(|_, c| c.exp = c.iat + 590), Err(Refused::EndsSoon));
        assert_eq!(verdict(|_, c| c.exp = c.iat + 610), Ok(()));
    }

    #[test]
    fn communication_services_want_a_secret_that_is_in_force() {
        let mut directory = LabOptions::of(Kind::AzureCommunicationServices).directory;
        let now = Timestamp::now();
        let whole = format!("contoso-acs|{}|{}", directory.apps[0].client_id, directory.tenant.id);
        let admit =
            |d: &Directory, user: &str, secret: &str| admit_to_communication(d, user, secret, now).map(drop);
        for user in [DEFAULT_MAILBOX, "Billing System", &whole] {
            assert_eq!(admit(&directory, user, DEFAULT_SECRET), Ok(()), "{user}");
        }
        assert_eq!(admit(&directory, &whole, "other"), Err(Refused::Password));
        assert_eq!(admit(&directory, "nobody", DEFAULT_SECRET), Err(Refused::Password));
        directory.apps[0].secrets[0].expires = Some(now);
        assert_eq!(admit(&directory, &whole, DEFAULT_SECRET), Err(Refused::Password));
        directory.apps[0].secrets[0].expires = None;
        directory.organization.communication.owners.clear();
        assert_eq!(admit(&directory, &whole, DEFAULT_SECRET), Err(Refused::Password));
    }
}
