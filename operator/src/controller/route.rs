//! MailRoute: its status.

use std::sync::Arc;

use futures::{FutureExt, StreamExt, stream};
use kube::runtime::controller::Action;
use mail_egress_crds::{MailRoute, Way, names::condition};

use super::{
    Context, ReconcileError,
    condition::{Finding, progress},
    dependants,
    drive::drive,
    status::report,
    validate::{exchange_online, honoured, route_not_supported},
};
use crate::watches::{Change, Changes};

/// MailRoutes at one time.
const WORKERS: u16 = 4;

pub(super) async fn run(context: Arc<Context>, changes: &Changes) {
    let stores = context.stores.clone();
    let queue = changes
        .subscribe()
        .flat_map(move |change: Change| stream::iter(dependants::routes(&change, &stores)));
    let store = context.stores.routes.clone();
    let reconcile = |route, context| reconcile(route, context).boxed();
    drive("mailroute", WORKERS, store, queue, reconcile, context).await;
}

async fn reconcile(route: Arc<MailRoute>, context: Arc<Context>) -> Result<Action, ReconcileError> {
    report(&context, route.as_ref(), &judge(&route)).await?;
    Ok(Action::await_change())
}

/// All findings, the summary first.
fn judge(route: &MailRoute) -> Vec<Finding> {
    let accepted = match route.spec.way() {
        Some(Way::ExchangeOnline(exchange)) => {
            exchange_online(route, exchange).map(|smtp| (smtp.host, smtp.port))
        }
        Some(
            Way::Graph(_)
            | Way::HighVolumeEmail(_)
            | Way::AzureCommunicationServices(_)
            | Way::Connector(_)
            | Way::DirectSend(_)
            | Way::SmtpRelay(_),
        )
        | None => {
            let unsupported = route_not_supported(route);
            return vec![
                Finding::no(condition::READY, &unsupported),
                Finding::yes(condition::ACCEPTED, "the MailRoute is well-formed"),
                Finding::no(condition::SUPPORTED, &unsupported),
                progress(&unsupported),
            ];
        }
    };
    let supported = honoured(&route.spec.not_yet_honoured());
    match accepted {
        Ok((host, port)) => vec![
            Finding::yes(condition::READY, format!("senders can use it; mail goes to {host}:{port}")),
            Finding::yes(condition::ACCEPTED, "the MailRoute is well-formed"),
            supported,
        ],
        Err(invalid) => vec![
            Finding::no(condition::READY, &invalid),
            Finding::no(condition::ACCEPTED, &invalid),
            supported,
            progress(&invalid),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(spec: serde_json::Value) -> Vec<String> {
        let route = MailRoute::new("way-out", serde_json::from_value(spec).unwrap());
        judge(&route).iter().map(|f| format!("{}={} {}", f.type_, f.status.as_str(), f.reason)).collect()
    }

    #[test]
    fn exchange_online_is_ready() {
        let found = lines(serde_json::json!({"exchangeOnline": {}}));
        assert_eq!(found, ["Ready=True Ready", "Accepted=True Accepted", "Supported=True Supported"]);
    }

    #[test]
    fn a_ca_bundle_without_certificates_is_not_accepted() {
        let found = lines(serde_json::json!({"exchangeOnline": {"caBundle": "nothing"}}));
        assert_eq!(found[..2], ["Ready=False CaBundleInvalid", "Accepted=False CaBundleInvalid"]);
    }

    #[test]
    fn a_way_that_is_not_built_yet_is_not_ready() {
        let found = lines(serde_json::json!({"directSend": {}}));
        assert_eq!(found[0], "Ready=False RouteNotSupported");
        assert_eq!(found[2], "Supported=False RouteNotSupported");
    }

    #[test]
    fn a_field_without_effect_yet_is_named_and_does_no_harm() {
        let found = lines(
            serde_json::json!({"exchangeOnline": {}, "acceptedDomains": ["contoso.com"], "limits": {"connections": 1}}),
        );
        assert_eq!(found, ["Ready=True Ready", "Accepted=True Accepted", "Supported=False NotYetHonoured"]);
    }
}
