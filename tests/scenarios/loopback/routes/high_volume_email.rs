//! highVolumeEmail: a token with ten minutes left, and the tenant's own recipients.

use std::time::Duration;

use anyhow::{Result, ensure};
use jiff::{SignedDuration, Timestamp};
use mail_egress_config::{Route, SmtpRoute, Token};
use mail_egress_tests::eventually::eventually;
use mail_egress_tests::lab::{DEFAULT_CLIENT_ID, Form, Kind, Phase};

use super::{INSIDE, OUTSIDE, Said, Told, Way, accepted, each_is_explained, file, refused, stand};

const WAY: Way = |_, smtp| {
    Ok(Route::HighVolumeEmail(SmtpRoute { accepted_domains: vec!["contoso.com".to_owned()], ..smtp }))
};
const DOMAINS_UNKNOWN: Way = |_, smtp| Ok(Route::HighVolumeEmail(smtp));

#[tokio::test]
async fn high_volume_email_takes_a_token_and_more_than_thirty_messages_a_minute() -> Result<()> {
    let stand = stand(Kind::HighVolumeEmail, WAY).await?;
    for _ in 0..31 {
        accepted(&stand, INSIDE).await?;
    }
    Ok(())
}

#[tokio::test]
async fn high_volume_email_refuses_external_recipients_before_it_dials() -> Result<()> {
    let stand = stand(Kind::HighVolumeEmail, WAY).await?;
    let told = Told { code: 550, words: "own domains only", reason: "RecipientNotInternal" };
    refused(&stand, OUTSIDE, told).await?;
    ensure!(stand.lab.exchange().counters().connections == 0, "it has dialled");
    Ok(())
}

#[tokio::test]
async fn high_volume_email_explains_an_external_recipient_where_the_domains_are_not_known() -> Result<()> {
    let stand = stand(Kind::HighVolumeEmail, DOMAINS_UNKNOWN).await?;
    let told = Told { code: 550, words: "External sending is not supported", reason: "HighVolumeExternal" };
    refused(&stand, OUTSIDE, told).await
}

#[tokio::test]
async fn high_volume_email_never_shows_a_token_that_ends_within_ten_minutes() -> Result<()> {
    let stand = stand(Kind::HighVolumeEmail, WAY).await?;
    let mut file = file(&stand, WAY).await?;
    let claims = stand.lab.entra().claims(DEFAULT_CLIENT_ID)?.lasting(SignedDuration::from_mins(9));
    let expires_at = Timestamp::from_second(claims.exp)?;
    file.token = Some(Token { value: stand.lab.entra().mint(&claims, Form::Jwt)?, expires_at });
    stand.configure(&file)?;
    eventually("the token is in force", Duration::from_secs(20), async || {
        let updates = stand.metric("mail_egress_token_updates_total").await?;
        ensure!(updates == Some(2.0), "{updates:?}");
        Ok(())
    })
    .await?;
    let told = Told { code: 451, words: "too soon for this route", reason: "TokenExpired" };
    refused(&stand, INSIDE, told).await?;
    ensure!(stand.lab.exchange().counters().auth_commands == 0, "the token was shown");
    Ok(())
}

#[tokio::test]
async fn high_volume_email_explains_each_documented_refusal() -> Result<()> {
    let rows = [
        Said(Phase::Auth, "501 5.5.127 Token will expire soon", 451, "TokenNearItsEnd"),
        Said(Phase::Auth, "501 5.5.124 Invalid XOAUTH2 auth data", 451, "TokenMalformed"),
        Said(Phase::Auth, "535 5.7.3 Authentication unsuccessful [lab]", 451, "TokenRefused"),
        Said(
            Phase::Auth,
            "535 5.7.139 Authentication unsuccessful, the organization configuration doesn't allow this authentication request.",
            451,
            "AuthenticationPolicy",
        ),
        Said(
            Phase::Rcpt,
            "550 5.5.105 External sending is not supported for High Volume Email accounts",
            550,
            "HighVolumeExternal",
        ),
    ];
    each_is_explained(Kind::HighVolumeEmail, WAY, &rows).await
}
