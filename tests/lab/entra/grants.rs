//! What people have granted: codes for signing in on another device (fact sheet A, "device"), and the
//! refresh tokens that come of it. A refresh token that was succeeded goes on working; the newest of each
//! sign-in is remembered.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use secrecy::SecretString;
use tokio::sync::watch;

use crate::lab::stamp;

/// A sign-in as a client asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) client_id: String,
    /// As the URL had it.
    pub(super) tenant: String,
    pub(super) scope: String,
}

/// A person who signed in, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SignedIn {
    pub(super) asked: Asked,
    /// The address of their mailbox.
    pub(super) user: String,
}

/// Where a code stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Code {
    Waiting,
    Approved(String),
    Declined,
    Expired,
}

/// A code that a person was shown.
#[derive(Clone, Debug)]
struct DeviceCode {
    user_code: String,
    asked: Asked,
    state: Code,
}

/// A refresh token.
#[derive(Clone, Debug)]
struct Refresh {
    of: SignedIn,
    /// The AADSTS code with which it is refused.
    refused: Option<u32>,
}

#[derive(Debug, Default)]
struct Kept {
    /// By the code that the client polls with.
    codes: HashMap<String, DeviceCode>,
    refresh: HashMap<String, Refresh>,
    /// By user.
    newest: HashMap<String, String>,
}

/// See the module.
#[derive(Debug)]
pub(in crate::lab) struct Grants {
    kept: watch::Sender<Kept>,
    interval: AtomicU64,
}

impl Grants {
    pub(in crate::lab) fn new() -> Self {
        Self { kept: watch::Sender::new(Kept::default()), interval: AtomicU64::new(5) }
    }

    /// How many seconds a client is told to wait between two polls.
    pub(super) fn interval(&self) -> u64 {
        self.interval.load(Ordering::Relaxed)
    }

    pub(super) fn set_interval(&self, seconds: u64) {
        self.interval.store(seconds, Ordering::Relaxed);
    }

    /// Begins a sign-in: the code for the client and the one for the person.
    pub(super) fn begin(&self, asked: Asked) -> (String, String) {
        let device_code: String = (0..8).map(|_| stamp::hex_id()).collect();
        let user_code = stamp::hex_id().chars().take(9).collect::<String>();
        let code = DeviceCode { user_code: user_code.clone(), asked, state: Code::Waiting };
        self.kept.send_modify(|kept| {
            kept.codes.insert(device_code.clone(), code);
        });
        (device_code, user_code)
    }

    /// The codes that wait for a person.
    pub(super) fn waiting(&self) -> Vec<String> {
        waiting(&self.kept.borrow())
    }

    /// Waits until there is one.
    pub(super) async fn wait(&self) -> Option<String> {
        let mut kept = self.kept.subscribe();
        let found = kept.wait_for(|kept| !waiting(kept).is_empty()).await.ok()?;
        waiting(&found).into_iter().next()
    }

    /// A person signs in with a code as this user.
    pub(super) fn approve(&self, user_code: &str, user: &str) -> anyhow::Result<()> {
        self.settle(user_code, Code::Approved(user.to_owned()))
    }

    /// A person declines.
    pub(super) fn decline(&self, user_code: &str) -> anyhow::Result<()> {
        self.settle(user_code, Code::Declined)
    }

    /// The code's time is over.
    pub(super) fn expire_code(&self, user_code: &str) -> anyhow::Result<()> {
        self.settle(user_code, Code::Expired)
    }

    fn settle(&self, user_code: &str, state: Code) -> anyhow::Result<()> {
        let mut found = false;
        self.kept.send_modify(|kept| {
            let waiting = |code: &&mut DeviceCode| code.user_code == user_code && code.state == Code::Waiting;
            if let Some(code) = kept.codes.values_mut().find(waiting) {
                code.state = state;
                found = true;
            }
        });
        anyhow::ensure!(found, "no sign-in waits with the code {user_code}");
        Ok(())
    }

    /// What a client that polls with this code learns; a code that was approved serves once.
    pub(super) fn poll(&self, device_code: &str, client_id: &str) -> Result<SignedIn, u32> {
        let mut outcome = Err(70018);
        self.kept.send_modify(|kept| {
            let Some(code) = kept.codes.get(device_code) else { return };
            if !code.asked.client_id.eq_ignore_ascii_case(client_id) {
                return;
            }
            outcome = match &code.state {
                Code::Waiting => Err(70016),
                Code::Approved(user) => Ok(SignedIn { asked: code.asked.clone(), user: user.clone() }),
                Code::Declined => Err(65004),
                Code::Expired => Err(70020),
            };
            if outcome.is_ok() {
                kept.codes.remove(device_code);
            }
        });
        outcome
    }

    /// A refresh token of this sign-in, the newest from now on.
    pub(super) fn issue(&self, of: SignedIn) -> SecretString {
        // as long as Entra's are, and opaque
        let token = format!("0.A{}", (0..60).map(|_| stamp::hex_id()).collect::<String>());
        self.kept.send_modify(|kept| {
            kept.newest.insert(of.user.to_ascii_lowercase(), token.clone());
            kept.refresh.insert(token.clone(), Refresh { of, refused: None });
        });
        token.into()
    }

    /// Whose refresh token this is; the error is an AADSTS code.
    pub(super) fn look(&self, token: &str, client_id: &str, tenant: &str) -> Result<SignedIn, u32> {
        let kept = self.kept.borrow();
        let found = kept.refresh.get(token).ok_or(70000u32)?;
        match found.refused {
            _ if !found.of.asked.client_id.eq_ignore_ascii_case(client_id) => Err(70000),
            _ if !found.of.asked.tenant.eq_ignore_ascii_case(tenant) => Err(7_000_012),
            Some(code) => Err(code),
            None => Ok(found.of.clone()),
        }
    }

    /// The newest refresh token of a user.
    pub(super) fn newest(&self, user: &str) -> Option<SecretString> {
        self.kept.borrow().newest.get(&user.to_ascii_lowercase()).map(|token| token.as_str().into())
    }

    /// Refuses from now on every refresh token that a user has, with this AADSTS code.
    pub(super) fn refuse_all(&self, user: &str, code: u32) {
        self.refuse(code, |_, refresh| refresh.of.user.eq_ignore_ascii_case(user));
    }

    /// Refuses this one.
    pub(super) fn refuse_one(&self, token: &str, code: u32) {
        self.refuse(code, |known, _| known == token);
    }

    fn refuse(&self, code: u32, which: impl Fn(&str, &Refresh) -> bool) {
        self.kept.send_modify(|kept| {
            let meant = kept.refresh.iter_mut().filter(|(token, refresh)| which(token, refresh));
            meant.for_each(|(_, refresh)| refresh.refused = Some(code));
        });
    }
}

fn waiting(kept: &Kept) -> Vec<String> {
    let waiting = kept.codes.values().filter(|code| code.state == Code::Waiting);
    waiting.map(|code| code.user_code.clone()).collect()
}
