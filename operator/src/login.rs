//! `login`: a person signs in with a code on any device, and the refresh token becomes a Secret for an
//! EntraApp. The token is shown nowhere but in that Secret.

mod output;

use std::{
    io::{Write, stderr},
    process::ExitCode,
};

use anyhow::{Context, bail};
use jiff::Timestamp;
use mail_egress_diagnosis::Class;
use mail_egress_entra::{
    DeviceLogin, DeviceLoginRequest, Limits, TokenClient,
    dial::{Proxies, Resolver},
};
use secrecy::SecretString;
use tokio::{runtime, signal, time::sleep};

use crate::args::LoginArgs;

/// What a refresh token needs to be given at all.
const OFFLINE: &str = "offline_access";

/// Signs in and writes the Secret: exit code 0, or 1 with the reason on standard error.
#[must_use]
pub fn blocking(args: &LoginArgs) -> ExitCode {
    let result = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")
        .and_then(|runtime| runtime.block_on(run(args)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("mail-egress-operator: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &LoginArgs) -> anyhow::Result<()> {
    let request = request(args)?;
    let resolver = Resolver::system().context("the name service of this machine cannot be used")?;
    let client = TokenClient::new(resolver, Limits::default()).through(Proxies::of_environment());
    // before anybody signs in: afterwards it would be in vain
    let target = output::Target::open(args).await?;
    let login = client.begin_device_login(&request, Timestamp::now()).await?;
    say(&format!(
        "Sign in as the mailbox that shall send:\n\n    {}\n    code {}\n\nWaiting until {:.0} ...",
        login.verification_uri, login.user_code, login.expires_at
    ));
    let token = tokio::select! {
        token = wait(&client, &request, login) => token?,
        _ = signal::ctrl_c() => bail!("interrupted: nothing was written"),
    };
    let place = target.write(args, &token).await?;
    say(&format!("Signed in; {place}."));
    Ok(())
}

/// What is asked of Entra.
fn request(args: &LoginArgs) -> anyhow::Result<DeviceLoginRequest> {
    let ca_bundle = match &args.ca_file {
        Some(path) => {
            let read = std::fs::read_to_string(path);
            Some(read.with_context(|| format!("--ca-file {} cannot be read", path.display()))?)
        }
        None => None,
    };
    Ok(DeviceLoginRequest {
        login_url: args.login_url.clone(),
        tenant: args.tenant.clone(),
        client_id: args.client_id.clone(),
        scope: with_offline(&args.scope),
        ca_bundle,
    })
}

fn with_offline(scope: &str) -> String {
    if scope.split(' ').any(|it| it == OFFLINE) { scope.to_owned() } else { format!("{scope} {OFFLINE}") }
}

/// Asks again and again until the person has signed in, or will not.
async fn wait(
    client: &TokenClient,
    request: &DeviceLoginRequest,
    mut login: DeviceLogin,
) -> anyhow::Result<SecretString> {
    loop {
        sleep(login.interval()).await;
        match client.poll(request, &mut login, Timestamp::now()).await {
            Ok(Some(granted)) => {
                return granted.refresh_token.context(
                    "the login host gave no refresh token: ask for the scope offline_access, and allow the application public client flows",
                );
            }
            Ok(None) => {}
            Err(error) if error.diagnosis.class == Class::Transient => {
                say(&format!("not yet: {error}"));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// To the person at the terminal; what goes to standard output is the Secret alone.
fn say(text: &str) {
    // nobody to tell
    let _ = writeln!(stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_token_is_always_asked_for_and_once() {
        assert_eq!(with_offline("a/SMTP.Send"), "a/SMTP.Send offline_access");
        assert_eq!(with_offline("offline_access a"), "offline_access a");
    }
}
