//! A relay whose TLS wants a certificate of a client, and says only behind the handshake (TLS 1.3) that
//! the one it was shown is not it.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mail_egress_config::{ClientCertificate, Login, Route, Security, SenderFile, SmtpRoute, write};
use mail_egress_tests::eventually::eventually;
use mail_egress_tests::lab::DEFAULT_MAILBOX;
use mail_egress_tests::programs::Programs;
use mail_egress_tests::stand::Stand;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::PrivatePkcs8KeyDer;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

const SOON: Duration = Duration::from_secs(40);
const MESSAGE: &[u8] = b"From: billing@contoso.com\r\nSubject: x\r\n\r\nHello.\r\n";

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Result<Authority> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

/// A relay that speaks TLS from the first octet and lets in only who shows a certificate of this
/// authority, which its own is of as well. It never gets as far as its greeting here.
async fn strict(ca: &Authority) -> Result<(SocketAddr, JoinHandle<()>)> {
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()])?.signed_by(&key, ca)?;
    let mut roots = RootCertStore::empty();
    roots.add(ca.der().clone())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier.build()?)
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let serving = tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            // it ends here for whoever shows no certificate, or another one
            drop(acceptor.accept(connection).await);
        }
    });
    Ok((address, serving))
}

async fn file(
    stand: &Stand,
    ca: &Authority,
    relay: SocketAddr,
    shown: Option<ClientCertificate>,
) -> Result<SenderFile> {
    let route = SmtpRoute {
        security: Security::ImplicitTls,
        login: Login::None,
        ca_bundle: Some(ca.pem()),
        client_certificate: shown,
        ..SmtpRoute::new("own".to_owned(), relay.ip().to_string(), relay.port(), 35 * 1024 * 1024)
    };
    Ok(SenderFile { route: Some(Route::SmtpRelay(route)), token: None, ..stand.file().await? })
}

#[tokio::test]
async fn a_relay_that_does_not_take_our_certificate_is_understood() -> Result<()> {
    let (ca, other) = (authority("the relay's own")?, authority("another")?);
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(["contoso.com".to_owned()])?.signed_by(&key, &other)?;
    let foreign = ClientCertificate { certificates: certificate.pem(), key: key.serialize_pem().into() };
    let (relay, serving) = strict(&ca).await?;
    for (shown, alert) in [(None, "CertificateRequired"), (Some(foreign), "UnknownCA")] {
        let stand = Stand::without_file().await?;
        let file = file(&stand, &ca, relay, shown).await?;
        stand.configure(&file)?;
        eventually(&format!("the app hears of {alert}"), SOON, async || {
            let answer = stand.client().await?.send(DEFAULT_MAILBOX, &["to@example.org"], MESSAGE).await?;
            let words = ["does not take our client certificate, or wants one", alert, "To mend: "];
            ensure!(answer.code == 451 && words.iter().all(|it| answer.text.contains(it)), "{answer:?}");
            Ok(())
        })
        .await
        .with_context(|| stand.log())?;
        let series = "mail_egress_messages_total{reason=\"ClientCertificateRefused\",result=\"deferred\"}";
        ensure!(stand.metric(series).await? >= Some(1.0), "{}", stand.get("/metrics").await?);

        let path = stand.folder().join("checked.json");
        fs::write(&path, write(&file)?)?;
        let mut command = Command::new(Programs::build_sidecar()?.sidecar());
        let output = command.arg("check").arg("--config").arg(&path).output().await?;
        let text = String::from_utf8(output.stdout)?;
        ensure!(output.status.code() == Some(1) && text.contains(alert), "{text}");
    }
    serving.abort();
    Ok(())
}
