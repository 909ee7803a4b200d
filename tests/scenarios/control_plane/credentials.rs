//! What proves an EntraApp, against an Entra that checks it: a certificate, the operator's own
//! Kubernetes token, and a refresh token; each refusal is explained in the conditions.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use mail_egress_tests::eventually::eventually;
use mail_egress_tests::installation::{self, OPERATOR_NAMESPACE};
use mail_egress_tests::kubectl::condition;
use mail_egress_tests::lab::{
    App, ClientCertificate, DEFAULT_CLIENT_ID, DEFAULT_MAILBOX, DEFAULT_SECRET, DEFAULT_TENANT,
    FederatedCredential, IssuerKey, Lab, LabOptions, application_certificate,
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::Bed;
use crate::operators::Operator;

const PATIENCE: Duration = Duration::from_secs(60);
const SYSTEM: &str = OPERATOR_NAMESPACE;
const SENDERS: &str = "credentials-shop";

const BY_CERTIFICATE: &str = "c0000000-0000-4000-8000-000000000001";
const BY_OWN_TOKEN: &str = "c0000000-0000-4000-8000-000000000002";
const BY_REFRESH_TOKEN: &str = "c0000000-0000-4000-8000-000000000003";

pub(crate) async fn every_kind_is_taken_and_each_refusal_explained(bed: &Bed) -> Result<()> {
    let lab = Lab::start(LabOptions::default()).await?;
    let soon = Timestamp::now() + SignedDuration::from_hours(20 * 24);
    bed.kubectl.apply(&installation::operator()?).await?;
    bed.kubectl.run(&["create", "namespace", SENDERS]).await?;
    let route = json!({"exchangeOnline": {"host": "smtp.lab.test"}});
    apply(bed, &object("MailRoute", "credentials", None, &route)).await?;
    let _operator = Operator::installed(bed, "credentials").await?;

    certificate(bed, &lab, soon).await.context("by certificate")?;
    own_token(bed, &lab).await.context("by the operator's own token")?;
    refresh_token(bed, &lab).await.context("by refresh token")?;
    relays_own(bed, &lab).await.context("by a token of a relay's own provider")
}

/// A successor is tried while the token of the one before goes on.
async fn certificate(bed: &Bed, lab: &Lab, ends: Timestamp) -> Result<()> {
    let (first, second) = (application_certificate(ends)?, application_certificate(ends)?);
    lab.administer(|directory| directory.apps.push(app(BY_CERTIFICATE).with_certificate(&first.certificate)));
    apply(bed, &pair("certificate", &first)).await?;
    let credential = json!({"certificate": {"secretName": "certificate"}});
    sends(bed, lab, "certificate", BY_CERTIFICATE, &credential).await?;
    app_says(bed, "certificate", "True", "CredentialEndsSoon", "ends at").await?;

    apply(bed, &pair("certificate", &second)).await?;
    app_says(bed, "certificate", "False", "AssertionSignatureInvalid", "AADSTS700027").await?;
    sender_says(bed, "certificate", "TokenReady", "True", "RenewalFailing", "AADSTS700027").await?;
    sender_says(bed, "certificate", "Ready", "True", "Ready", "").await?;

    apply(bed, &pair("certificate", &first)).await?;
    app_says(bed, "certificate", "True", "CredentialEndsSoon", "").await
}

/// The cluster's own keys and issuer are what Entra trusts.
async fn own_token(bed: &Bed, lab: &Lab) -> Result<()> {
    let raw = async |path| -> Result<Value> {
        Ok(serde_json::from_str(&bed.kubectl.run(&["get", "--raw", path]).await?)?)
    };
    let issuer = raw("/.well-known/openid-configuration").await?["issuer"].clone();
    let trusted = FederatedCredential {
        issuer: issuer.as_str().context("the API server names no issuer")?.to_owned(),
        subject: format!("system:serviceaccount:{SYSTEM}:mail-egress-operator"),
        audience: "api://AzureADTokenExchange".to_owned(),
        keys: IssuerKey::of_jwks(&raw("/openid/v1/jwks").await?)?,
    };
    lab.administer(|directory| directory.apps.push(app(BY_OWN_TOKEN).trusting(trusted.clone())));
    sends(bed, lab, "own-token", BY_OWN_TOKEN, &json!({"federated": {}})).await?;

    let issuer = FederatedCredential { issuer: "https://another.example".to_owned(), ..trusted.clone() };
    let upper = trusted.subject.replace("mail-egress-operator", "Mail-Egress-Operator");
    let subject =
        FederatedCredential { subject: trusted.subject.replace("operator", "other"), ..trusted.clone() };
    let case = FederatedCredential { subject: upper, ..trusted.clone() };
    for (number, name, trusts, reason, code) in [
        (4, "other-issuer", issuer, "FederationIssuerMismatch", "AADSTS700211"),
        (5, "other-subject", subject, "FederationSubjectMismatch", "AADSTS700213"),
        (6, "other-case", case, "FederationSubjectMismatch", "AADSTS7002138"),
    ] {
        let client_id = format!("c0000000-0000-4000-8000-{number:012}");
        lab.administer(|directory| directory.apps.push(app(&client_id).trusting(trusts)));
        uses(bed, lab, name, &client_id, &json!({"federated": {}})).await?;
        app_says(bed, name, "False", reason, code).await?;
        sender_says(bed, name, "Ready", "False", reason, code).await?;
    }

    let other = json!({"federated": {"audience": "api://another"}});
    uses(bed, lab, "other-audience", BY_OWN_TOKEN, &other).await?;
    let (kind, why) = ("FederationAudienceMismatch", "AADSTS70021");
    app_says(bed, "other-audience", "False", kind, why).await?;
    sender_says(bed, "other-audience", "Ready", "False", kind, why).await
}

/// The newest is kept beside the person's own Secret, which may be written again and changes nothing.
async fn refresh_token(bed: &Bed, lab: &Lab) -> Result<()> {
    lab.administer(|directory| directory.apps.push(App::new(BY_REFRESH_TOKEN).for_people()));
    sign_in(bed, lab).await?;
    let found = bed.kubectl.object(&["secret", "refresh-token", "-n", SYSTEM]).await?;
    let first = found["data"]["refreshToken"].as_str().context("the command has written no token")?;
    let first = String::from_utf8(STANDARD.decode(first)?)?;
    sends(
        bed,
        lab,
        "refresh-token",
        BY_REFRESH_TOKEN,
        &json!({"refreshToken": {"secretName": "refresh-token"}}),
    )
    .await?;
    let kept = eventually("the newest is kept", PATIENCE, async || kept(bed).await).await?;
    let newest = lab.entra().newest_refresh_token(DEFAULT_MAILBOX).context("none was given")?;
    ensure!(kept["value"] == newest.expose_secret(), "another one is kept");
    ensure!(kept["value"] != first, "the first one is kept");
    apply(bed, &secret("refresh-token", &json!({"refreshToken": first}))).await?;

    let another = lab.entra().sign_in(BY_REFRESH_TOKEN, DEFAULT_TENANT, DEFAULT_MAILBOX);
    lab.entra().revoke_refresh_tokens(DEFAULT_MAILBOX);
    apply(bed, &secret("refresh-token", &json!({"refreshToken": another.expose_secret()}))).await?;
    app_says(bed, "refresh-token", "False", "RefreshTokenDead", "AADSTS50173").await?;
    sender_says(bed, "refresh-token", "TokenReady", "True", "RenewalFailing", "AADSTS50173").await?;

    let unused = lab.entra().sign_in(BY_REFRESH_TOKEN, DEFAULT_TENANT, DEFAULT_MAILBOX);
    lab.entra().expire_refresh_tokens(DEFAULT_MAILBOX);
    apply(bed, &secret("refresh-token", &json!({"refreshToken": unused.expose_secret()}))).await?;
    app_says(bed, "refresh-token", "False", "RefreshTokenDead", "AADSTS700082").await?;
    sender_says(bed, "refresh-token", "TokenReady", "True", "RenewalFailing", "AADSTS700082").await
}

/// As a person does it: by the command, with a code, into the cluster of the person's own kubeconfig.
async fn sign_in(bed: &Bed, lab: &Lab) -> Result<()> {
    lab.entra().ask_for_interval(1);
    let folder = tempfile::tempdir()?;
    let (kubeconfig, ca) = (folder.path().join("kubeconfig"), folder.path().join("ca.pem"));
    std::fs::write(&kubeconfig, bed.kubeconfig_by(bed.api_server()?)?)?;
    std::fs::write(&ca, lab.entra().ca_pem())?;
    let command = Command::new(bed.programs.operator())
        .args(["login", "--apply", "--secret-name=refresh-token", "--tenant", DEFAULT_TENANT])
        .args(["--client-id", BY_REFRESH_TOKEN, "--login-url", &lab.entra().url_by_ip(), "--ca-file"])
        .arg(&ca)
        .env("KUBECONFIG", &kubeconfig)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("the command cannot be started")?;
    let code = lab.entra().wait_for_code(PATIENCE).await?;
    lab.entra().approve(&code, DEFAULT_MAILBOX)?;
    let output = tokio::time::timeout(PATIENCE, command.wait_with_output()).await??;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && output.stdout.is_empty(), "it ended with {}: {said}", output.status);
    ensure!(said.contains(&code), "it did not show the code: {said}");
    let newest = lab.entra().newest_refresh_token(DEFAULT_MAILBOX).context("none was given")?;
    ensure!(!said.contains(newest.expose_secret()), "it showed the token");
    Ok(())
}

/// A route without an EntraApp, whose relay has a token endpoint of its own.
async fn relays_own(bed: &Bed, lab: &Lab) -> Result<()> {
    let route = |secret: &str| {
        json!({
            "smtpRelay": {"host": "mta.lab.test", "xoauth2": {
                "tokenURL": format!("{}/{DEFAULT_TENANT}/oauth2/v2.0/token", lab.entra().url_by_ip()),
                "caBundle": lab.entra().ca_pem(), "clientID": DEFAULT_CLIENT_ID,
                "scope": "https://outlook.office365.com/.default",
                "clientSecret": {"secretName": "relay", "key": secret},
            }},
            "allowedNamespaces": [{"namespaces": [SENDERS]}],
        })
    };
    apply(bed, &secret("relay", &json!({"right": DEFAULT_SECRET, "wrong": "guessed"}))).await?;
    apply(bed, &object("MailRoute", "relay", None, &route("wrong"))).await?;
    let sender = json!({"mailbox": DEFAULT_MAILBOX, "route": "relay"});
    apply(bed, &object("MailSender", "relay", Some(SENDERS), &sender)).await?;
    let of = ["mailroute", "relay"];
    says(bed, &of, "CredentialReady", ("False", "InvalidClient", "AADSTS7000215")).await?;
    apply(bed, &object("MailRoute", "relay", None, &route("right"))).await?;
    sender_says(bed, "relay", "TokenReady", "True", "TokenReady", "").await?;
    says(bed, &of, "CredentialReady", ("True", "CredentialReady", "")).await
}

/// What lies in the operator's Secret with the newest refresh token.
async fn kept(bed: &Bed) -> Result<Value> {
    let labelled = ["secret", "-n", SYSTEM, "-l", "mail-egress.io/refresh-token=true"];
    let found = bed.kubectl.object(&labelled).await?;
    let file = found["items"][0]["data"]["refresh-token.json"].as_str().context("nothing is kept")?;
    Ok(serde_json::from_slice(&STANDARD.decode(file)?)?)
}

fn app(client_id: &str) -> App {
    App::new(client_id).with_role()
}

/// An EntraApp, and a sender of the same name that has a token by it.
async fn sends(bed: &Bed, lab: &Lab, name: &str, client_id: &str, credential: &Value) -> Result<()> {
    uses(bed, lab, name, client_id, credential).await?;
    sender_says(bed, name, "Ready", "True", "Ready", "").await?;
    sender_says(bed, name, "TokenReady", "True", "TokenReady", "").await
}

async fn uses(bed: &Bed, lab: &Lab, name: &str, client_id: &str, credential: &Value) -> Result<()> {
    let spec = json!({
        "tenant": DEFAULT_TENANT, "clientID": client_id, "credential": credential,
        "endpoint": {"loginURL": lab.entra().url_by_ip(), "caBundle": lab.entra().ca_pem()},
        "allowedNamespaces": [{"namespaces": [SENDERS], "mailboxes": [DEFAULT_MAILBOX]}],
    });
    apply(bed, &object("EntraApp", name, None, &spec)).await?;
    let spec = json!({"entraApp": name, "mailbox": DEFAULT_MAILBOX, "route": "credentials"});
    apply(bed, &object("MailSender", name, Some(SENDERS), &spec)).await
}

async fn app_says(bed: &Bed, name: &str, status: &str, reason: &str, part: &str) -> Result<()> {
    let of = ["entraapp", name];
    says(bed, &of, "CredentialReady", (status, reason, part)).await
}

async fn sender_says(
    bed: &Bed,
    name: &str,
    kind: &str,
    status: &str,
    reason: &str,
    part: &str,
) -> Result<()> {
    let of = ["mailsender", name, "-n", SENDERS];
    says(bed, &of, kind, (status, reason, part)).await
}

async fn says(bed: &Bed, of: &[&str], kind: &str, expected: (&str, &str, &str)) -> Result<()> {
    eventually(&format!("{of:?} says {kind} {expected:?}"), PATIENCE, async || {
        let (status, reason, message) = condition(&bed.kubectl.object(of).await?, kind);
        let as_expected = (status.as_str(), reason.as_str()) == (expected.0, expected.1);
        ensure!(as_expected && message.contains(expected.2), "it says {status} {reason}: {message}");
        Ok(())
    })
    .await
}

fn object(kind: &str, name: &str, namespace: Option<&str>, spec: &Value) -> Value {
    json!({
        "apiVersion": "mail-egress.io/v1alpha1", "kind": kind,
        "metadata": {"name": name, "namespace": namespace}, "spec": spec,
    })
}

fn secret(name: &str, values: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "stringData": values,
        "metadata": {"name": name, "namespace": SYSTEM, "labels": {"mail-egress.io/credential": "true"}},
    })
}

fn pair(name: &str, certificate: &ClientCertificate) -> Value {
    secret(name, &json!({"tls.crt": certificate.certificate, "tls.key": certificate.key.expose_secret()}))
}

async fn apply(bed: &Bed, object: &Value) -> Result<()> {
    bed.kubectl.apply(&object.to_string()).await.map(|_| ())
}
