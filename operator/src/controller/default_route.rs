//! The usual MailRoutes, created where they are absent and otherwise left alone.

use std::{collections::BTreeMap, pin::pin, time::Duration};

use futures::StreamExt;
use kube::{Api, api::PostParams};
use mail_egress_crds::{
    MailRoute, MailRouteSpec,
    mail_route::{ExchangeOnline, Graph, HighVolumeEmail},
    names,
};
use tokio::time::sleep;
use tracing::{info, warn};

use super::Context;
use crate::{
    causes::Causes,
    watches::{Change, Changes, Named},
    writer::WriteError,
};

/// Those that need nothing but the sender's EntraApp, and so no word of anybody: what they do, that app
/// has allowed.
const USUAL: [&str; 3] = ["exchange-online", "graph", "high-volume-email"];

/// When a creation that failed is tried again.
const AGAIN: Duration = Duration::from_secs(30);

/// Keeps the usual routes there, unless the settings say otherwise; never returns.
pub(super) async fn run(context: &Context, changes: &Changes) {
    if !context.settings.create_default_routes {
        return std::future::pending().await;
    }
    let mut changes = pin!(changes.subscribe());
    while let Some(change) = changes.next().await {
        for name in USUAL.into_iter().filter(|name| concerns(&change, name)) {
            keep(context, name).await;
        }
    }
}

fn concerns(change: &Change, route: &str) -> bool {
    match change {
        Change::Everything => true,
        Change::Route(name) => name == route,
        Change::Sender(_)
        | Change::App(_)
        | Change::Policy(_)
        | Change::Credential(_)
        | Change::Namespace(_)
        | Change::Token(_) => false,
    }
}

async fn keep(context: &Context, name: &str) {
    while matches!(context.stores.route(name), Named::Missing) {
        match create(context, name).await {
            Ok(()) => return,
            Err(error) => {
                warn!(route = name, error = %Causes(&error), "the usual MailRoute could not be created");
                sleep(AGAIN).await;
            }
        }
    }
}

/// Creates, never overwrites: one that is there after all is as good.
async fn create(context: &Context, name: &str) -> Result<(), WriteError> {
    let routes: Api<MailRoute> = Api::all(context.writer.client());
    let params = PostParams { field_manager: Some(names::FIELD_MANAGER.to_owned()), ..PostParams::default() };
    match context.writer.write(routes.create(&params, &usual(name))).await {
        Ok(_) => {
            info!(route = name, "the usual MailRoute was absent and is created");
            Ok(())
        }
        Err(WriteError::Api(kube::Error::Api(status))) if status.is_already_exists() => Ok(()),
        Err(error) => Err(error),
    }
}

fn usual(name: &str) -> MailRoute {
    let spec = match name {
        "graph" => MailRouteSpec { graph: Some(Graph::default()), ..MailRouteSpec::default() },
        "high-volume-email" => {
            MailRouteSpec { high_volume_email: Some(HighVolumeEmail::default()), ..MailRouteSpec::default() }
        }
        _ => MailRouteSpec { exchange_online: Some(ExchangeOnline::default()), ..MailRouteSpec::default() },
    };
    let mut route = MailRoute::new(name, spec);
    let labels = BTreeMap::from([(names::LABEL_MANAGED_BY.to_owned(), names::MANAGED_BY.to_owned())]);
    route.metadata.labels = Some(labels);
    route
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_usual_route_is_a_way_of_its_own_that_an_entra_app_guards() {
        let ways: Vec<_> = USUAL
            .iter()
            .map(|name| usual(name).spec.way().map(|way| (way.field(), way.uses_entra_app())))
            .collect();
        let expected = ["exchangeOnline", "graph", "highVolumeEmail"].map(|field| Some((field, true)));
        assert_eq!(ways, expected);
    }
}
