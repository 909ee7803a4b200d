//! The usual MailRoutes, created where they are absent and otherwise left alone.

use std::{collections::BTreeMap, pin::pin, time::Duration};

use futures::StreamExt;
use kube::{Api, api::PostParams};
use mail_egress_crds::{MailRoute, MailRouteSpec, mail_route::ExchangeOnline, names};
use tokio::time::sleep;
use tracing::{info, warn};

use super::Context;
use crate::{
    causes::Causes,
    watches::{Change, Changes, Named},
    writer::WriteError,
};

/// The route that nearly every sender names.
const EXCHANGE_ONLINE: &str = "exchange-online";

/// When a creation that failed is tried again.
const AGAIN: Duration = Duration::from_secs(30);

/// Keeps the usual routes there, unless the settings say otherwise; never returns.
pub(super) async fn run(context: &Context, changes: &Changes) {
    if !context.settings.create_default_routes {
        return std::future::pending().await;
    }
    let mut changes = pin!(changes.subscribe());
    while let Some(change) = changes.next().await {
        let concerned = match change {
            Change::Everything => true,
            Change::Route(name) => name == EXCHANGE_ONLINE,
            Change::Sender(_)
            | Change::App(_)
            | Change::Policy(_)
            | Change::Credential(_)
            | Change::Namespace(_)
            | Change::Token(_) => false,
        };
        while concerned && matches!(context.stores.route(EXCHANGE_ONLINE), Named::Missing) {
            match create(context).await {
                Ok(()) => break,
                Err(error) => {
                    warn!(
                        route = EXCHANGE_ONLINE,
                        error = %Causes(&error),
                        "the usual MailRoute could not be created"
                    );
                    sleep(AGAIN).await;
                }
            }
        }
    }
}

/// Creates, never overwrites: one that is there after all is as good.
async fn create(context: &Context) -> Result<(), WriteError> {
    let routes: Api<MailRoute> = Api::all(context.writer.client());
    let params = PostParams { field_manager: Some(names::FIELD_MANAGER.to_owned()), ..PostParams::default() };
    match context.writer.write(routes.create(&params, &exchange_online())).await {
        Ok(_) => {
            info!(route = EXCHANGE_ONLINE, "the usual MailRoute was absent and is created");
            Ok(())
        }
        Err(WriteError::Api(kube::Error::Api(status))) if status.is_already_exists() => Ok(()),
        Err(error) => Err(error),
    }
}

fn exchange_online() -> MailRoute {
    let spec = MailRouteSpec { exchange_online: Some(ExchangeOnline::default()), ..MailRouteSpec::default() };
    let mut route = MailRoute::new(EXCHANGE_ONLINE, spec);
    let labels = BTreeMap::from([(names::LABEL_MANAGED_BY.to_owned(), names::MANAGED_BY.to_owned())]);
    route.metadata.labels = Some(labels);
    route
}
