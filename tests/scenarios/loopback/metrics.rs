//! Each series moves when its event happens, and no family of them goes unwatched.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use mail_egress_config::{EntraSource, SenderFile, TokenSource};
use mail_egress_tests::client::{Answer, Client};
use mail_egress_tests::eventually::eventually;
use mail_egress_tests::lab::{
    Act, DEFAULT_CLIENT_ID, DEFAULT_MAILBOX, DEFAULT_SECRET, DEFAULT_TENANT, ExchangeFault, Phase, Span,
};
use mail_egress_tests::stand::{Setting, Stand};

const SOON: Duration = Duration::from_secs(20);
const TO: &[&str] = &["to@example.org", "too@example.org"];
const MESSAGE: &[u8] = b"From: billing@contoso.com\r\nMessage-ID: <1@shop>\r\nSubject: x\r\n\r\nHello.\r\n";
const FAMILIES: &str = "auth_failures_total build_info config_loads_total delivery_seconds denials_total \
    held_back_total held_bytes held_messages message_bytes_total message_size_bytes messages_total \
    phase_seconds ready recipients_total sessions sessions_refused_total throttles_total \
    token_expiry_timestamp_seconds token_requests_total token_updates_total upstream_connections \
    upstream_connects_total upstream_idle_connections upstream_reuses_total";

/// A sidecar, and the values that were read of it.
struct Watched {
    stand: Stand,
    moved: BTreeSet<String>,
}

impl Watched {
    async fn value(&self, series: &str) -> Result<f64> {
        let value = self.stand.metric(&format!("mail_egress_{series}")).await?;
        Ok(value.unwrap_or_default())
    }

    /// Does it, and waits until each series has moved by so much.
    async fn moves<T>(
        &mut self,
        wanted: &[(&str, f64)],
        event: impl AsyncFnOnce(&Stand) -> Result<T>,
    ) -> Result<T> {
        let mut before = Vec::new();
        for (series, by) in wanted {
            before.push((*series, *by, self.value(series).await?));
        }
        let done = event(&self.stand).await?;
        for (series, by, before) in before {
            eventually(series, SOON, async || {
                let now = self.value(series).await?;
                // NaN: any other value
                let moved = if by.is_nan() { now != before } else { (now - before - by).abs() < 1e-6 };
                ensure!(moved, "{series} was {before}, is {now}: not by {by}\n{}", self.stand.log());
                Ok(())
            })
            .await?;
            self.moved.insert(family(series).to_owned());
        }
        Ok(done)
    }

    /// Waits until so many sessions are open: one that its client has left ends a little later.
    async fn sessions(&self, count: f64) -> Result<()> {
        eventually("the sessions that are left end", SOON, async || {
            ensure!(self.value("sessions").await? == count, "not {count}");
            Ok(())
        })
        .await
    }

    /// Puts a file in force.
    async fn configure(&mut self, file: &SenderFile) -> Result<()> {
        let loaded = [("config_loads_total{result=\"usable\"}", 1.0)];
        self.moves(&loaded, async |stand| stand.configure(file)).await
    }
}

fn family(series: &str) -> &str {
    let name = series.split('{').next().unwrap_or_default();
    name.trim_end_matches("_bucket").trim_end_matches("_sum").trim_end_matches("_count")
}

async fn send(stand: &Stand) -> Result<Answer> {
    stand.client().await?.send(DEFAULT_MAILBOX, TO, MESSAGE).await
}

async fn hears(stand: &Stand, code: u16) -> Result<()> {
    let answer = send(stand).await?;
    ensure!(answer.code == code, "{answer:?}\n{}", stand.log());
    Ok(())
}

/// In order, since all watch one sidecar.
#[tokio::test]
async fn each_series_moves_when_its_event_happens() -> Result<()> {
    let arguments = ["--max-sessions", "2"].map(str::to_owned).to_vec();
    let stand = Stand::set(Setting { arguments, ..Setting::default() }).await?;
    let mut watched = Watched { stand, moved: BTreeSet::new() };
    let file = watched.stand.file().await?;
    configuration_and_token(&mut watched, &file).await?;
    deliveries(&mut watched).await?;
    sessions(&mut watched).await?;
    throttle_and_hold(&mut watched, &file).await?;
    denials(&mut watched, &file).await?;
    authentication(&mut watched, &file).await?;
    ensure!(watched.value("build_info{version=\"0.1.0\"}").await? == 1.0, "no build info");
    watched.moved.insert("build_info".to_owned());

    let text = watched.stand.get("/metrics").await?;
    let shown = text.lines().filter_map(|line| line.strip_prefix("# HELP mail_egress_")?.split(' ').next());
    // what lies on disk has tests of its own
    let shown: BTreeSet<_> = shown.filter(|it| !it.starts_with("spool_")).map(str::to_owned).collect();
    ensure!(shown == FAMILIES.split(' ').map(str::to_owned).collect(), "other families: {shown:?}");
    ensure!(shown == watched.moved, "never seen to move: {:?}", shown.difference(&watched.moved));
    Ok(())
}

async fn configuration_and_token(watched: &mut Watched, file: &SenderFile) -> Result<()> {
    let end = file.token.as_ref().context("no token")?.expires_at.as_second() as f64;
    let first = [
        ("config_loads_total{result=\"usable\"}", 1.0),
        ("token_updates_total", 1.0),
        ("token_expiry_timestamp_seconds", end),
        ("ready", 1.0),
    ];
    watched.moves(&first, async |stand| stand.configure(file)).await?;
    watched.moves(&[("config_loads_total{result=\"unusable\"}", 1.0)], async |stand| stand.put(b"{")).await?;
    let gone = [("config_loads_total{result=\"missing\"}", 1.0), ("ready", -1.0)];
    watched.moves(&gone, async |stand| stand.remove()).await?;
    watched.moves(&[("ready", 1.0)], async |stand| stand.configure(file)).await
}

async fn deliveries(watched: &mut Watched) -> Result<()> {
    let octets = MESSAGE.len() as f64;
    let every = [
        ("messages_total{reason=\"Accepted\",result=\"accepted\"}", 1.0),
        ("recipients_total{result=\"accepted\"}", 2.0),
        ("message_bytes_total{result=\"accepted\"}", octets),
        ("message_size_bytes_sum", octets),
        ("delivery_seconds_count", 1.0),
        ("phase_seconds_count{phase=\"hold\"}", 1.0),
        ("phase_seconds_count{phase=\"receive\"}", 1.0),
        ("phase_seconds_count{phase=\"wait\"}", 1.0),
        ("phase_seconds_count{phase=\"transfer\"}", 1.0),
    ];
    let by_a_fresh = [
        ("phase_seconds_count{phase=\"connect\"}", 1.0),
        ("phase_seconds_count{phase=\"login\"}", 1.0),
        ("upstream_connects_total", 1.0),
        ("upstream_connections", 1.0),
        ("upstream_idle_connections", 1.0),
    ];
    watched.moves(&[&every[..], &by_a_fresh].concat(), async |stand| hears(stand, 250).await).await?;
    let by_a_warm = [
        ("phase_seconds_count{phase=\"connect\"}", 0.0),
        ("phase_seconds_count{phase=\"login\"}", 0.0),
        ("upstream_connects_total", 0.0),
        ("upstream_reuses_total", 1.0),
    ];
    watched.moves(&[&every[..], &by_a_warm].concat(), async |stand| hears(stand, 250).await).await?;
    let lost = [
        ("messages_total{reason=\"DeliveryUncertain\",result=\"uncertain\"}", 1.0),
        ("recipients_total{result=\"uncertain\"}", 2.0),
        ("message_bytes_total{result=\"uncertain\"}", octets),
    ];
    watched
        .moves(&lost, async |stand| {
            let drop = ExchangeFault::At(Phase::AfterDotAccepted, Act::Drop);
            stand.lab.exchange().misbehave_for(Span::Times(1), drop);
            hears(stand, 451).await
        })
        .await
}

async fn sessions(watched: &mut Watched) -> Result<()> {
    watched.sessions(0.0).await?;
    let open = [("sessions", 1.0), ("held_bytes{where=\"memory\"}", f64::NAN)];
    let mut first = watched
        .moves(&open, async |stand| {
            let mut client = in_data(stand).await?;
            client.write(MESSAGE).await?;
            Ok(client)
        })
        .await?;
    watched
        .moves(&[("sessions_refused_total", 1.0)], async |stand| {
            let _second = stand.client().await?;
            ensure!(stand.client().await.is_err(), "a third session was taken");
            Ok(())
        })
        .await?;
    watched.sessions(1.0).await?;
    let left = [
        ("sessions", -1.0),
        ("messages_total{reason=\"AppLeft\",result=\"abandoned\"}", 1.0),
        ("held_bytes{where=\"memory\"}", f64::NAN),
    ];
    watched
        .moves(&left, async move |_| {
            first.write(b"more").await?;
            drop(first);
            Ok(())
        })
        .await
}

/// A client that was told 354.
async fn in_data(stand: &Stand) -> Result<Client> {
    let mut client = stand.client().await?;
    for line in ["EHLO app", "MAIL FROM:<billing@contoso.com>", "RCPT TO:<to@example.org>", "DATA"] {
        let answer = client.say(line).await?;
        ensure!(answer.code < 400, "{answer:?}");
    }
    Ok(client)
}

async fn throttle_and_hold(watched: &mut Watched, file: &SenderFile) -> Result<()> {
    let throttled = [("throttles_total{reason=\"ConcurrencyLimit\"}", 1.0)];
    watched
        .moves(&throttled, async |stand| {
            let text = "432 4.3.2 Concurrent connections limit exceeded.".to_owned();
            let throttle = ExchangeFault::At(Phase::AfterDot, Act::Reply(text));
            stand.lab.exchange().misbehave_for(Span::Times(1), throttle);
            hears(stand, 250).await
        })
        .await?;
    let mut narrow = file.clone();
    (narrow.limits.connections, narrow.delivery.hold_seconds) = (Some(1), 30);
    watched.configure(&narrow).await?;
    watched.sessions(0.0).await?;
    // one has the only place, and the other waits for it
    let busy = in_data(&watched.stand).await?;
    let waits = watched
        .moves(&[("held_messages", 1.0)], async |stand| {
            let mut client = stand.client().await?;
            for line in ["EHLO app", "MAIL FROM:<billing@contoso.com>", "RCPT TO:<too@example.org>"] {
                client.say(line).await?;
            }
            client.write(b"DATA\r\n").await?;
            Ok(client)
        })
        .await?;
    watched
        .moves(&[("held_messages", -1.0)], async move |_| {
            drop((busy, waits));
            Ok(())
        })
        .await?;
    watched.sessions(0.0).await?;
    let mut few = file.clone();
    (few.limits.messages_per_minute, few.delivery.hold_seconds) = (Some(1), 0);
    watched.configure(&few).await?;
    watched
        .moves(&[("held_back_total{reason=\"MessagesPerMinute\"}", 1.0)], async |stand| {
            hears(stand, 451).await
        })
        .await
}

async fn denials(watched: &mut Watched, file: &SenderFile) -> Result<()> {
    let mut strict = file.clone();
    strict.rules.deny_recipients = vec!["too@example.org".to_owned()];
    watched.configure(&strict).await?;
    watched
        .moves(&[("denials_total{reason=\"RecipientDenied\"}", 1.0)], async |stand| hears(stand, 550).await)
        .await
}

async fn authentication(watched: &mut Watched, file: &SenderFile) -> Result<()> {
    let mut expired = file.clone();
    if let Some(token) = &mut expired.token {
        token.expires_at = Timestamp::now() - SignedDuration::from_mins(5);
    }
    watched.configure(&expired).await?;
    let at_token = [("auth_failures_total{reason=\"TokenExpired\",stage=\"token\"}", 1.0)];
    watched.moves(&at_token, async |stand| hears(stand, 451).await).await?;

    watched.configure(file).await?;
    watched.stand.lab.administer(|directory| {
        directory.mailboxes.iter_mut().for_each(|mailbox| mailbox.full_access.clear());
    });
    // a warm connection would not sign in
    let at_relay = [("auth_failures_total{reason=\"TokenRefused\",stage=\"relay\"}", 1.0)];
    watched.moves(&at_relay, async |stand| hears(stand, 451).await).await?;

    let folder = tempfile::tempdir()?;
    let secret = folder.path().join("secret");
    fs::write(&secret, "wrong")?;
    let entra = watched.stand.lab.entra();
    let mut own = file.clone();
    own.token = None;
    own.token_source = Some(TokenSource::Entra(EntraSource {
        login_url: entra.url_by_ip(),
        ca_bundle: Some(entra.ca_pem().to_owned()),
        client_secret_file: Some(secret.clone()),
        ..EntraSource::new(DEFAULT_TENANT.to_owned(), DEFAULT_CLIENT_ID.to_owned())
    }));
    let asked = [("token_requests_total{reason=\"InvalidClientSecret\",result=\"error\"}", 1.0)];
    watched.moves(&asked, async |stand| stand.configure(&own)).await?;
    let entras = [("auth_failures_total{reason=\"InvalidClientSecret\",stage=\"token\"}", 1.0)];
    watched.moves(&entras, async |stand| hears(stand, 451).await).await?;
    let obtained = [("token_requests_total{reason=\"\",result=\"success\"}", 1.0)];
    watched.moves(&obtained, async |_| Ok(fs::write(&secret, DEFAULT_SECRET)?)).await
}
