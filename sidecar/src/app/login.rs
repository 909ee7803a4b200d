//! The app's login, where one is asked for: compared with two files, as a mounted Secret holds them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mail_egress_diagnosis::{local, reason};
use mail_egress_smtp::server::Credentials;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use crate::message::refusal::Refusal;
use crate::sender::tokens::secret_file;

/// Longest user name or password that is compared, in octets.
const LONGEST: u64 = 4 * 1024;

/// What a wrong password costs, and all other logins with it: at most five guesses a second, from
/// however many connections.
const PENALTY: Duration = Duration::from_millis(200);
/// The longest wait for the check.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What the app must log in with. The files are read for each login, so a Secret that changes counts
/// from the next one on.
#[derive(Debug)]
pub struct Login {
    folder: PathBuf,
    turn: Mutex<()>,
}

impl Login {
    /// By the files `username` and `password` of this folder, which need not be there yet.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, turn: Mutex::new(()) }
    }

    /// Whether the login is right; one is checked at a time.
    ///
    /// # Errors
    /// It is wrong, cannot be compared with anything, or too many wait for their turn.
    pub async fn check(&self, given: &Credentials) -> Result<(), Refusal> {
        let turn = timeout(LONGEST_WAIT, self.turn.lock()).await;
        let _turn = turn.map_err(|_| Refusal::of(reason::APP_LOGINS_TOO_MANY))?;
        let (user, password) = (read(&self.folder, "username")?, read(&self.folder, "password")?);
        // both, whatever comes of the first
        if bool::from(same(&given.user, &user) & same(&given.password, &password)) {
            return Ok(());
        }
        sleep(PENALTY).await;
        Err(Refusal::of(reason::APP_LOGIN_WRONG))
    }
}

/// In a time that tells their lengths at most.
fn same(one: &SecretString, other: &SecretString) -> subtle::Choice {
    one.expose_secret().as_bytes().ct_eq(other.expose_secret().as_bytes())
}

fn read(folder: &Path, name: &str) -> Result<SecretString, Refusal> {
    let path = folder.join(name);
    secret_file::line(&path, LONGEST).map_err(|what| {
        local(reason::APP_LOGIN_UNREADABLE).with_words(&format!("{} {what}", path.display())).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(user: &str, password: &str) -> Credentials {
        Credentials { user: user.into(), password: password.into() }
    }

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        folder
    }

    async fn reason(login: &Login, given: &Credentials) -> &'static str {
        login.check(given).await.map_or_else(|refusal| refusal.reason, |()| "right")
    }

    #[tokio::test(start_paused = true)]
    async fn only_name_and_password_together_are_right() {
        let folder = folder(&[("username", "shop\n"), ("password", "s3cret")]);
        let login = Login::new(folder.path().to_owned());
        assert_eq!(reason(&login, &given("shop", "s3cret")).await, "right");
        for (user, password) in [
            ("shop", "s3cre"),
            ("shop", "s3cret2"),
            ("shop", ""),
            ("Shop", "s3cret"),
            ("", "s3cret"),
            ("", ""),
        ] {
            assert_eq!(reason(&login, &given(user, password)).await, "AppLoginWrong", "{user} {password}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn another_password_counts_from_the_next_login_on() {
        let folder = folder(&[("username", "shop"), ("password", "old")]);
        let login = Login::new(folder.path().to_owned());
        assert_eq!(reason(&login, &given("shop", "old")).await, "right");
        std::fs::write(folder.path().join("password"), "new").unwrap();
        assert_eq!(reason(&login, &given("shop", "old")).await, "AppLoginWrong");
        assert_eq!(reason(&login, &given("shop", "new")).await, "right");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_password_nobody_logs_in_and_it_is_temporary() {
        let long = "x".repeat(5_000);
        for files in [
            &[][..],
            &[("username", "shop")],
            &[("username", "shop"), ("password", "")],
            &[("username", "shop"), ("password", "\n")],
            &[("username", "shop"), ("password", &long)],
        ] {
            let folder = folder(files);
            let login = Login::new(folder.path().to_owned());
            let refusal = login.check(&given("shop", "")).await.unwrap_err();
            assert_eq!(refusal.reason, "AppLoginUnreadable");
            assert!(refusal.reply().is_transient());
            let path = folder.path().to_str().unwrap();
            assert!(
                refusal.sentence.contains(path) && !refusal.sentence.contains("xxx"),
                "{}",
                refusal.sentence
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn guesses_from_many_connections_wait_for_each_other() {
        let folder = folder(&[("username", "shop"), ("password", "s3cret")]);
        let login = Login::new(folder.path().to_owned());
        let began = tokio::time::Instant::now();
        let wrong = given("shop", "x");
        let guess = || reason(&login, &wrong);
        let all = tokio::join!(guess(), guess(), guess(), guess(), guess());
        assert_eq!(
            all,
            ("AppLoginWrong", "AppLoginWrong", "AppLoginWrong", "AppLoginWrong", "AppLoginWrong")
        );
        assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());

        let _held = login.turn.lock().await;
        assert_eq!(reason(&login, &given("shop", "s3cret")).await, "AppLoginsTooMany");
    }
}
