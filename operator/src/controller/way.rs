//! From a MailRoute's one way out to the route in the sidecar's file, and what it needs besides: pure.

mod basic;
mod communication_services;
mod connector;
mod direct_send;
mod exchange;
mod graph;
mod relay;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use mail_egress_config::{EntraSource, Route, SmtpRoute};
use mail_egress_crds::{EntraApp, EntraAppSpec, MailRoute, MailSender, Way, names::condition};
use mail_egress_diagnosis::{Diagnosis, local, reason};
use mail_egress_entra::tls;

use super::references::References;
use crate::{credential::Credentials, inject::FEDERATED_TOKEN_FILE, tokens::is_of_workloads};

/// Largest message where the route does not say: Exchange Online's own default, 35 MB (fact sheet
/// B, "Limits").
const MESSAGE_BYTES: u64 = 35 * 1024 * 1024;

/// What is judged: a sender that its route and its app admit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    /// Who sends.
    pub(super) sender: &'a MailSender,
    /// The route in question.
    pub(super) route: &'a Arc<MailRoute>,
    /// The sender's EntraApp, if it names one.
    pub(super) app: Option<&'a Arc<EntraApp>>,
    /// All else that it depends on.
    pub(super) references: &'a References,
    /// Today, for what is dated.
    pub(super) now: Timestamp,
}

/// By what a sender may send.
#[derive(Clone, Debug)]
pub(super) struct Exit {
    /// The route, as the sidecar is told it.
    pub(super) route: Route,
    /// The token that it needs.
    pub(super) need: Need,
    /// A token that ends within this is not carried.
    pub(super) margin: SignedDuration,
    /// The long-lived credential that `route` holds.
    pub(super) long_lived: Option<LongLived>,
    /// When this ends, since it rests on a dated exception.
    pub(super) until: Option<Timestamp>,
}

/// The token that a route needs.
#[derive(Clone, Debug)]
pub(super) enum Need {
    /// None.
    Nothing,
    /// One of an EntraApp, for this scope.
    OfApp {
        /// The app.
        app: Arc<EntraApp>,
        /// The scope.
        scope: String,
    },
    /// One of the relay's own provider, as the MailRoute says.
    OfRelay(Arc<MailRoute>),
    /// One that the sidecar gets by itself, for the pod's own token.
    OfWorkload(Box<EntraSource>),
}

/// A credential that does not end by itself within hours, and lies in the sender's namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LongLived {
    /// What it is, in a word.
    pub(super) reason: &'static str,
    /// What it is, and where it comes from.
    pub(super) what: String,
}

/// Why a sender may not send by a route, and which condition says so.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    /// Of [`condition`].
    pub(super) condition: &'static str,
    /// Why.
    pub(super) diagnosis: Diagnosis,
}

impl Refusal {
    fn not_accepted(diagnosis: Diagnosis) -> Self {
        Self { condition: condition::ACCEPTED, diagnosis }
    }

    fn unresolved(diagnosis: Diagnosis) -> Self {
        Self { condition: condition::RESOLVED_REFS, diagnosis }
    }

    fn unsupported(diagnosis: Diagnosis) -> Self {
        Self { condition: condition::SUPPORTED, diagnosis }
    }
}

impl Exit {
    /// A way out that needs no more than this.
    fn new(route: Route, need: Need) -> Self {
        Self { route, need, margin: SignedDuration::ZERO, long_lived: None, until: None }
    }
}

/// Judges a sender's way out.
pub(super) fn judge(case: Case<'_>) -> Result<Exit, Refusal> {
    let exit = match case.route.spec.way() {
        Some(Way::ExchangeOnline(exchange)) => exchange::online(case, exchange),
        Some(Way::HighVolumeEmail(volume)) => exchange::high_volume(case, volume),
        Some(Way::Graph(graph)) => graph::judge(case, graph),
        Some(Way::AzureCommunicationServices(services)) => communication_services::judge(case, services),
        Some(Way::Connector(connector)) => connector::judge(case, connector),
        Some(Way::DirectSend(direct)) => direct_send::judge(case, direct),
        Some(Way::SmtpRelay(relay)) => relay::judge(case, relay),
        None => Err(Refusal::unsupported(not_supported(case.route))),
    }?;
    basic::judge(case, exit)
}

/// Judges a route by itself, without a sender: where mail goes, or what is wrong with the route or with
/// a credential of its own.
pub(super) fn judge_route(route: &MailRoute, credentials: &Credentials) -> Result<String, Refusal> {
    let smtp = match route.spec.way() {
        Some(Way::ExchangeOnline(exchange)) => exchange::online_route(route, exchange)?,
        Some(Way::HighVolumeEmail(volume)) => exchange::high_volume_route(route, volume)?,
        Some(Way::AzureCommunicationServices(services)) => communication_services::route(route, services)?,
        Some(Way::Connector(connector)) => connector::route(route, connector, credentials)?.0,
        Some(Way::SmtpRelay(relay)) => relay::route(route, relay, credentials)?.0,
        Some(Way::DirectSend(direct)) => match direct_send::route(route, direct, "example.com")? {
            smtp if smtp.mx => return Ok("mail goes to the MX of each mailbox's domain".to_owned()),
            smtp => smtp,
        },
        Some(Way::Graph(graph)) => return graph::place(route, graph),
        None => return Err(Refusal::unsupported(not_supported(route))),
    };
    Ok(format!("mail goes to {}:{}", smtp.host, smtp.port))
}

/// The names of the Secrets in the operator's namespace that a route's own credential lies in.
pub(super) fn secret_names(route: &MailRoute) -> Vec<&str> {
    match route.spec.way() {
        Some(Way::Connector(connector)) => {
            connector.client_certificate.iter().map(|it| it.secret_name.as_str()).collect()
        }
        Some(Way::SmtpRelay(relay)) => {
            let password = relay.password.iter().map(|it| it.secret_name.as_str());
            let certificate = relay.client_certificate.iter().map(|it| it.secret_name.as_str());
            let tokens = relay.xoauth2.iter().flat_map(|it| [&it.client_secret, &it.refresh_token]);
            let tokens = tokens.flatten().map(|it| it.secret_name.as_str());
            password.chain(certificate).chain(tokens).collect()
        }
        Some(
            Way::ExchangeOnline(_)
            | Way::Graph(_)
            | Way::HighVolumeEmail(_)
            | Way::AzureCommunicationServices(_)
            | Way::DirectSend(_),
        )
        | None => Vec::new(),
    }
}

/// A route by SMTP, as it is without anything special: STARTTLS, and a login by token.
fn smtp(route: &MailRoute, host: &str, port: u16, ca_bundle: Option<&str>) -> Result<SmtpRoute, Refusal> {
    believe(route, ca_bundle)?;
    Ok(SmtpRoute {
        ca_bundle: ca_bundle.map(str::to_owned),
        proxy: route.spec.proxy.clone(),
        ..SmtpRoute::new(route.name_any(), host.to_owned(), port, MESSAGE_BYTES)
    })
}

/// Checks that certificates can be used.
fn believe(route: &MailRoute, ca_bundle: Option<&str>) -> Result<(), Refusal> {
    tls::client_config(ca_bundle).map(|_| ()).map_err(|error| {
        let field = route.spec.way().map_or("", |way| way.field());
        Refusal::unsupported(
            local(reason::CA_BUNDLE_INVALID)
                .with_cause(&format!(
                    "spec.{field}.caBundle of the MailRoute {} cannot be used",
                    route.name_any()
                ))
                .with_words(&error.to_string()),
        )
    })
}

/// The token of the sender's app for this scope, or how its pods get it by themselves. A route that
/// uses an app is not judged without one.
fn token_of_app(case: Case<'_>, scope: fn(&EntraAppSpec) -> &str) -> Result<Need, Refusal> {
    let app = app_of(case)?;
    let (spec, scope) = (&app.spec, scope(&app.spec).to_owned());
    if !is_of_workloads(spec) {
        return Ok(Need::OfApp { app: app.clone(), scope });
    }
    let source = EntraSource {
        login_url: spec.login_url().to_owned(),
        tenant: spec.tenant.clone(),
        client_id: spec.client_id.clone(),
        scope,
        ca_bundle: spec.login_ca_bundle().map(str::to_owned),
        client_secret_file: None,
        certificate: None,
        federated_token_file: Some(FEDERATED_TOKEN_FILE.into()),
        refresh_token_file: None,
    };
    Ok(Need::OfWorkload(source.into()))
}

fn app_of<'a>(case: Case<'a>) -> Result<&'a Arc<EntraApp>, Refusal> {
    case.app.ok_or_else(|| Refusal::unresolved(local(reason::ENTRA_APP_REQUIRED)))
}

fn not_supported(route: &MailRoute) -> Diagnosis {
    local(reason::ROUTE_NOT_SUPPORTED)
        .with_cause(&format!("this version knows no way out of the MailRoute {}", route.name_any()))
}

#[cfg(test)]
mod tests;
