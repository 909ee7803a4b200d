//! Microsoft Graph: a token for Graph, at the API of the app's cloud.

use kube::ResourceExt;
use mail_egress_config::{self as file, GraphRoute, Route};
use mail_egress_crds::{
    EntraAppSpec, MailRoute,
    mail_route::{Graph, LargeMessages},
};

use super::{Case, Exit, MESSAGE_BYTES, Refusal, app_of, believe, token_of_app};

pub(super) fn judge(case: Case<'_>, graph: &Graph) -> Result<Exit, Refusal> {
    believe(case.route, graph.ca_bundle.as_deref())?;
    let usual = app_of(case)?.spec.cloud.graph_url();
    let base_url = graph.base_url.as_deref().unwrap_or(usual).trim_end_matches('/');
    let route = GraphRoute {
        name: case.route.name_any(),
        base_url: base_url.to_owned(),
        ca_bundle: graph.ca_bundle.clone(),
        max_message_bytes: MESSAGE_BYTES,
        large_messages: match graph.large_messages {
            LargeMessages::Refuse => file::LargeMessages::Refuse,
            LargeMessages::Draft => file::LargeMessages::Draft,
        },
        proxy: case.route.spec.proxy.clone(),
    };
    Ok(Exit::new(Route::Graph(route), token_of_app(case, EntraAppSpec::graph_scope)?))
}

/// Where mail goes.
pub(super) fn place(route: &MailRoute, graph: &Graph) -> Result<String, Refusal> {
    believe(route, graph.ca_bundle.as_deref())?;
    Ok(match &graph.base_url {
        Some(url) => format!("mail goes to {url}"),
        None => "mail goes to Microsoft Graph of each EntraApp's cloud".to_owned(),
    })
}
