//! Exchange Online by submission, and High Volume Email: STARTTLS, and a token for Exchange.

use jiff::SignedDuration;
use kube::ResourceExt;
use mail_egress_config::{Route, SmtpRoute};
use mail_egress_crds::{
    EntraApp, EntraAppSpec, MailRoute,
    mail_route::{ExchangeOnline, HighVolumeEmail},
};
use mail_egress_diagnosis::{Diagnosis, local, reason};

use super::{Case, Exit, Refusal, app_of, smtp, token_of_app};

/// High Volume Email refuses a token that ends within ten minutes (fact sheet A, "Lifetime").
const HIGH_VOLUME_MARGIN: SignedDuration = SignedDuration::from_mins(10);

pub(super) fn online(case: Case<'_>, exchange: &ExchangeOnline) -> Result<Exit, Refusal> {
    of_one_cloud(app_of(case)?, case.route, exchange).map_err(Refusal::unsupported)?;
    let route = online_route(case.route, exchange)?;
    Ok(Exit::new(Route::ExchangeOnline(route), token_of_app(case, EntraAppSpec::exchange_scope)?))
}

pub(super) fn online_route(route: &MailRoute, exchange: &ExchangeOnline) -> Result<SmtpRoute, Refusal> {
    smtp(route, exchange.host(), exchange.port(), exchange.ca_bundle.as_deref())
}

pub(super) fn high_volume(case: Case<'_>, volume: &HighVolumeEmail) -> Result<Exit, Refusal> {
    let route = Route::HighVolumeEmail(high_volume_route(case.route, volume)?);
    let need = token_of_app(case, EntraAppSpec::exchange_scope)?;
    Ok(Exit { margin: HIGH_VOLUME_MARGIN, ..Exit::new(route, need) })
}

pub(super) fn high_volume_route(route: &MailRoute, volume: &HighVolumeEmail) -> Result<SmtpRoute, Refusal> {
    let mut smtp = smtp(route, volume.host(), volume.port(), volume.ca_bundle.as_deref())?;
    smtp.accepted_domains = route.spec.accepted_domains.clone();
    Ok(smtp)
}

/// A token is good in its own cloud only, and must not be shown to another. Where a scope or a host
/// is set by hand, whoever set it knows better.
fn of_one_cloud(app: &EntraApp, route: &MailRoute, exchange: &ExchangeOnline) -> Result<(), Diagnosis> {
    let scope = app.spec.endpoint.as_ref().and_then(|endpoint| endpoint.exchange_scope.as_ref());
    let (ours, theirs) = (app.spec.cloud, exchange.cloud);
    if scope.is_some() || exchange.host.is_some() || ours == theirs {
        return Ok(());
    }
    let (app, route) = (app.name_any(), route.name_any());
    Err(local(reason::CLOUD_MISMATCH)
        .with_cause(&format!(
            "the EntraApp {app} is of the cloud {ours:?} and the MailRoute {route} of the cloud {theirs:?}"
        ))
        .with_fix(&format!(
            "use a MailRoute with spec.exchangeOnline.cloud: {ours:?} in the MailSender, or correct spec.cloud of the EntraApp {app}"
        )))
}
