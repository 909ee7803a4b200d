//! Through a proxy: SMTP by the one that the route names, token requests by the environment's.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mail_egress_config::{EntraSource, Route, SenderFile, TokenSource, write};
use mail_egress_tests::eventually::eventually;
use mail_egress_tests::free_port::free_port;
use mail_egress_tests::lab::{
    Asked, DEFAULT_CLIENT_ID, DEFAULT_MAILBOX, DEFAULT_SECRET, DEFAULT_TENANT, Proxy, ProxyFault, ProxyKind,
};
use mail_egress_tests::programs::Programs;
use mail_egress_tests::stand::{Setting, Stand};
use tokio::process::Command;

const SOON: Duration = Duration::from_secs(40);
const MESSAGE: &[u8] = b"From: billing@contoso.com\r\nSubject: x\r\n\r\nHello.\r\n";
const KINDS: [ProxyKind; 2] = [ProxyKind::HttpConnect, ProxyKind::Socks5];
/// A name that the sidecar cannot resolve: only a proxy leads there.
const RELAY: &str = "smtp.lab.test";
const LOGIN: &str = "login.lab.test";

/// How a proxy says no, what it is counted as, and what the app is told.
const REFUSALS: [(ProxyFault, &str, &str); 5] = [
    (ProxyFault::Refuse, "ProxyRefused", "let the proxy's administrator allow host and port"),
    (ProxyFault::WantLogin, "ProxyWantsLogin", "let the proxy admit the pod by its address"),
    (ProxyFault::NoWay, "ProxyFoundNoWay", "found no way there"),
    (ProxyFault::Drop, "ProxyUnreachable", "closed before the answer of the proxy"),
    (ProxyFault::Greet, "ProxyProtocol", "check whether the proxy speaks"),
];

/// The stand's file with the lab's Exchange under a name, behind this proxy.
async fn behind(stand: &Stand, proxy: &str) -> Result<SenderFile> {
    let mut file = stand.file().await?;
    if let Some(Route::ExchangeOnline(route)) = &mut file.route {
        (route.host, route.port, route.proxy) = (RELAY.to_owned(), 587, Some(proxy.to_owned()));
    }
    Ok(file)
}

async fn set_up(kind: ProxyKind) -> Result<(Stand, Proxy)> {
    let stand = Stand::without_file().await?;
    let proxy = Proxy::start(kind).await?;
    proxy.lead(&format!("{RELAY}:587"), stand.lab.exchange().address());
    stand.configure(&behind(&stand, &proxy.url()).await?)?;
    stand.wait_until_configured().await?;
    Ok((stand, proxy))
}

async fn hears(stand: &Stand, code: u16, words: &str) -> Result<String> {
    eventually(&format!("the app hears {code} {words}"), SOON, async || {
        let answer = stand.client().await?.send(DEFAULT_MAILBOX, &["to@example.org"], MESSAGE).await?;
        ensure!(answer.code == code && answer.text.contains(words), "{answer:?}\n{}", stand.log());
        Ok(answer.text)
    })
    .await
}

async fn deferred_for(stand: &Stand, reason: &str) -> Result<()> {
    let series = format!("mail_egress_messages_total{{reason=\"{reason}\",result=\"deferred\"}}");
    let counted = stand.metric(&series).await?;
    ensure!(counted >= Some(1.0), "{series}: {counted:?} in\n{}", stand.get("/metrics").await?);
    Ok(())
}

#[tokio::test]
async fn mail_goes_through_the_routes_proxy_which_resolves_the_name_and_hears_no_token() -> Result<()> {
    for kind in KINDS {
        let (stand, proxy) = set_up(kind).await?;
        for _ in 0..2 {
            hears(&stand, 250, "").await?;
        }
        // the second went by the warm connection
        let asked = [Asked { target: format!("{RELAY}:587"), opened: true }];
        ensure!(proxy.asked() == asked, "{kind:?}: {:?}", proxy.asked());
        let counters = stand.lab.exchange().counters();
        ensure!(counters.messages == 2 && counters.connections == 1, "{counters:?}");
        ensure!(counters.plaintext_secrets_seen == 0, "{counters:?}");
    }
    Ok(())
}

#[tokio::test]
async fn each_refusal_of_a_proxy_is_explained_and_passes_when_it_is_mended() -> Result<()> {
    for kind in KINDS {
        for (fault, reason, words) in REFUSALS {
            let (stand, proxy) = set_up(kind).await?;
            proxy.misbehave(fault);
            let refused = async {
                let reply = hears(&stand, 451, words).await?;
                ensure!(reply.contains(&proxy.url()) && reply.contains("To mend: "), "{reply}");
                ensure!(reply.contains("the relay smtp.lab.test:587"), "{reply}");
                deferred_for(&stand, reason).await?;
                ensure!(stand.lab.exchange().counters().connections == 0, "Exchange was dialled");
                proxy.behave();
                hears(&stand, 250, "").await.map(drop)
            };
            refused.await.with_context(|| format!("{kind:?} {fault:?}"))?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_proxy_that_hangs_is_waited_for_as_long_as_a_relay() -> Result<()> {
    let (stand, proxy) = set_up(ProxyKind::HttpConnect).await?;
    proxy.misbehave(ProxyFault::Hang);
    hears(&stand, 451, "no answer of the proxy within 20 s").await?;
    deferred_for(&stand, "ProxyUnreachable").await
}

#[tokio::test]
async fn a_proxy_where_nobody_listens_is_named() -> Result<()> {
    let stand = Stand::without_file().await?;
    let free = free_port()?;
    stand.configure(&behind(&stand, &format!("socks5://{free}")).await?)?;
    let words = format!("the proxy socks5://{free} cannot be used: connection refused");
    hears(&stand, 451, &words).await?;
    deferred_for(&stand, "ProxyUnreachable").await
}

#[tokio::test]
async fn a_password_for_the_proxy_is_refused_and_shown_to_nobody() -> Result<()> {
    let stand = Stand::without_file().await?;
    stand.configure(&behind(&stand, "http://me:s3cret@127.0.0.1:3128").await?)?;
    let reply = hears(&stand, 451, "without user and password").await?;
    ensure!(!reply.contains("s3cret") && !stand.log().contains("s3cret"), "{reply}\n{}", stand.log());
    deferred_for(&stand, "ConfigurationInvalid").await
}

#[tokio::test]
async fn check_walks_through_the_proxy_and_says_so() -> Result<()> {
    for kind in KINDS {
        let (stand, proxy) = set_up(kind).await?;
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("sender.json");
        fs::write(&path, write(&behind(&stand, &proxy.url()).await?)?)?;
        let check = async || {
            let mut command = Command::new(Programs::build_sidecar()?.sidecar());
            let output = command.arg("check").arg("--config").arg(&path).output().await?;
            Ok::<_, anyhow::Error>((output.status.code(), String::from_utf8(output.stdout)?))
        };
        let (code, text) = check().await?;
        ensure!(code == Some(0) && text.contains(&format!("connected through {}", proxy.url())), "{text}");
        proxy.misbehave(ProxyFault::Refuse);
        let (code, text) = check().await?;
        ensure!(code == Some(1) && text.contains(&format!("the proxy {} refuses", proxy.url())), "{text}");
    }
    Ok(())
}

/// A stand whose sidecar asks for its own tokens at a name, with this environment.
async fn asking(secret: &Path, environment: &[(&str, &str)]) -> Result<(Stand, String)> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let stand = Stand::set(Setting { environment: environment.collect(), ..Setting::default() }).await?;
    fs::write(secret, DEFAULT_SECRET)?;
    let mut file = stand.file().await?;
    let entra = stand.lab.entra();
    let login = format!("{LOGIN}:{}", entra.address().port());
    file.token = None;
    file.token_source = Some(TokenSource::Entra(EntraSource {
        login_url: format!("https://{login}"),
        ca_bundle: Some(entra.ca_pem().to_owned()),
        client_secret_file: Some(secret.to_owned()),
        ..EntraSource::new(DEFAULT_TENANT.to_owned(), DEFAULT_CLIENT_ID.to_owned())
    }));
    stand.configure(&file)?;
    Ok((stand, login))
}

#[tokio::test]
async fn a_sidecars_own_token_comes_through_https_proxy_and_its_mail_goes_by_itself() -> Result<()> {
    for kind in KINDS {
        let folder = tempfile::tempdir()?;
        let proxy = Proxy::start(kind).await?;
        let secret = folder.path().join("secret");
        let (stand, login) = asking(&secret, &[("HTTPS_PROXY", &proxy.url())]).await?;
        // until it leads there, it says that it does not
        hears(&stand, 451, "found no way there").await?;
        proxy.lead(&login, stand.lab.entra().address());
        hears(&stand, 250, "").await?;
        let asked = proxy.asked();
        ensure!(asked.iter().all(|it| it.target == login), "{asked:?}");
        ensure!(asked.iter().filter(|it| it.opened).count() == 1, "{asked:?}");
        ensure!(!stand.log().contains(DEFAULT_SECRET), "the secret is in the log");
    }
    Ok(())
}

#[tokio::test]
async fn graph_goes_through_https_proxy_unless_the_route_names_its_own() -> Result<()> {
    let (environments, own) =
        (Proxy::start(ProxyKind::HttpConnect).await?, Proxy::start(ProxyKind::Socks5).await?);
    let environment = vec![("HTTPS_PROXY".to_owned(), environments.url())];
    let stand = Stand::set(Setting { environment, ..Setting::default() }).await?;
    let at = stand.lab.graph().address();
    let target = format!("graph.lab.test:{}", at.port());
    environments.lead(&target, at);
    own.lead(&target, at);
    let named = async |proxy: Option<String>| {
        let mut file = crate::graph::file(&stand, |_| ()).await?;
        if let Some(Route::Graph(route)) = &mut file.route {
            (route.base_url, route.proxy) = (format!("https://{target}"), proxy);
        }
        stand.configure(&file)
    };
    named(None).await?;
    hears(&stand, 250, "").await?;
    let before = environments.asked();
    ensure!(!before.is_empty() && before.iter().all(|it| it.target == target && it.opened), "{before:?}");
    named(Some(own.url())).await?;
    eventually("the route's own proxy is asked", SOON, async || {
        hears(&stand, 250, "").await?;
        ensure!(!own.asked().is_empty(), "not yet");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn each_refusal_of_https_proxy_is_explained_to_the_app() -> Result<()> {
    for (fault, reason, words) in REFUSALS {
        let folder = tempfile::tempdir()?;
        let proxy = Proxy::start(ProxyKind::HttpConnect).await?;
        proxy.misbehave(fault);
        let secret = folder.path().join("secret");
        let (stand, login) = asking(&secret, &[("https_proxy", &proxy.url())]).await?;
        let refused = async {
            let reply = hears(&stand, 451, words).await?;
            ensure!(reply.contains(&format!("the login host {login} cannot be used")), "{reply}");
            deferred_for(&stand, reason).await?;
            let series = format!("mail_egress_token_requests_total{{reason=\"{reason}\",result=\"error\"}}");
            ensure!(stand.metric(&series).await? >= Some(1.0), "{series}");
            Ok::<_, anyhow::Error>(())
        };
        refused.await.with_context(|| format!("{fault:?}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn a_variable_that_names_no_proxy_is_named_without_its_value() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let secret = folder.path().join("secret");
    let (stand, _) = asking(&secret, &[("HTTPS_PROXY", "http://me:s3cret@127.0.0.1:3128")]).await?;
    let reply = hears(&stand, 451, "HTTPS_PROXY holds a user name or password").await?;
    ensure!(!reply.contains("s3cret") && !stand.log().contains("s3cret"), "{reply}\n{}", stand.log());
    deferred_for(&stand, "ProxyInvalid").await
}
