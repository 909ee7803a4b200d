//! What the objects themselves say, read from the stores at each scrape: nothing to keep up to
//! date, and nothing left behind by an object that is gone.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use mail_egress_crds::names::condition;
use prometheus::{
    Error, GaugeVec, Opts,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use crate::{
    authority::Serving,
    credential::end,
    leader::Leadership,
    tokens::{Owner, secret_name},
    watches::Stores,
};

/// Collects the state of the objects; by the leader alone, so that sums over replicas are right. What
/// is each replica's own is collected by each.
pub struct State {
    stores: Stores,
    leadership: Leadership,
    serving: Serving,
    // an empty set, for the descriptions that a registry asks for
    described: Gauges,
}

struct Gauges {
    senders: GaugeVec,
    sender_condition: GaugeVec,
    app_condition: GaugeVec,
    route_condition: GaugeVec,
    policy_condition: GaugeVec,
    credential_expiry: GaugeVec,
    unreadable: GaugeVec,
    certificate_expiry: GaugeVec,
}

impl State {
    /// A collector over these stores and this certificate.
    pub fn new(stores: Stores, leadership: Leadership, serving: Serving) -> Result<Self, Error> {
        Ok(Self { stores, leadership, serving, described: Gauges::new()? })
    }
}

impl Gauges {
    fn new() -> Result<Self, Error> {
        let gauge = |name: &str, help: &str, labels: &[&str]| GaugeVec::new(Opts::new(name, help), labels);
        let cluster = ["name", "condition", "status"];
        Ok(Self {
            senders: gauge(
                "mail_egress_senders",
                "MailSenders, by the status of their Ready condition.",
                &["ready"],
            )?,
            sender_condition: gauge(
                "mail_egress_mailsender_status_condition",
                "1 for the status that a MailSender's Ready condition has.",
                &["namespace", "name", "condition", "status"],
            )?,
            app_condition: gauge(
                "mail_egress_entraapp_status_condition",
                "1 for the status that each condition of an EntraApp has.",
                &cluster,
            )?,
            route_condition: gauge(
                "mail_egress_mailroute_status_condition",
                "1 for the status that each condition of a MailRoute has.",
                &cluster,
            )?,
            policy_condition: gauge(
                "mail_egress_mailpolicy_status_condition",
                "1 for the status that each condition of a MailPolicy has.",
                &cluster,
            )?,
            credential_expiry: gauge(
                "mail_egress_credential_expiry_timestamp_seconds",
                "When the credential of an EntraApp, or the client certificate of a MailRoute (mailroute/NAME), ends, as its certificate or its Secret's annotation says, in seconds since the epoch.",
                &["app"],
            )?,
            unreadable: gauge(
                "mail_egress_unreadable_objects",
                "Objects that this version cannot read, by kind.",
                &["kind"],
            )?,
            certificate_expiry: gauge(
                "mail_egress_webhook_certificate_expiry_timestamp_seconds",
                "When the certificate that this replica's webhook serves ends, in seconds since the epoch.",
                &[],
            )?,
        })
    }

    fn all(&self) -> [&GaugeVec; 8] {
        [
            &self.senders,
            &self.sender_condition,
            &self.app_condition,
            &self.route_condition,
            &self.policy_condition,
            &self.credential_expiry,
            &self.unreadable,
            &self.certificate_expiry,
        ]
    }

    fn fill(&self, stores: &Stores) {
        for status in ["True", "False", "Unknown"] {
            add(&self.senders, &[status], 0.0);
        }
        for sender in stores.senders.state() {
            let status =
                sender.status.as_ref().and_then(|status| ready(&status.conditions)).unwrap_or("Unknown");
            add(&self.senders, &[status], 1.0);
            let namespace = sender.namespace().unwrap_or_default();
            add(&self.sender_condition, &[&namespace, &sender.name_any(), condition::READY, status], 1.0);
        }
        for app in stores.apps.state() {
            let conditions = app.status.as_ref().map_or(&[][..], |status| &status.conditions);
            conditions_of(&self.app_condition, &app.name_any(), conditions);
            let end = secret_name(&app.spec).and_then(|name| stores.credential(name, end));
            if let Some(end) = end {
                add(&self.credential_expiry, &[&app.name_any()], end.as_duration().as_secs_f64());
            }
        }
        for route in stores.routes.state() {
            let conditions = route.status.as_ref().map_or(&[][..], |status| &status.conditions);
            conditions_of(&self.route_condition, &route.name_any(), conditions);
            let certificate = route.spec.client_certificate();
            if let Some(end) = certificate.and_then(|it| stores.credential(&it.secret_name, end)) {
                let owner = Owner::Route(route.name_any()).to_string();
                add(&self.credential_expiry, &[&owner], end.as_duration().as_secs_f64());
            }
        }
        for policy in stores.policies.state() {
            let conditions = policy.status.as_ref().map_or(&[][..], |status| &status.conditions);
            conditions_of(&self.policy_condition, &policy.name_any(), conditions);
        }
        for (kind, count) in stores.unreadable() {
            add(&self.unreadable, &[kind], count as f64);
        }
    }
}

impl Collector for State {
    fn desc(&self) -> Vec<&Desc> {
        self.described.all().into_iter().flat_map(|gauge| gauge.desc()).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // cannot fail: the same set was made once before
        let Ok(gauges) = Gauges::new() else { return Vec::new() };
        if let Some(end) = self.serving.expires() {
            add(&gauges.certificate_expiry, &[], end.as_duration().as_secs_f64());
        }
        if self.leadership.is_leader() {
            gauges.fill(&self.stores);
        }
        let families = gauges.all().into_iter().flat_map(|gauge| gauge.collect());
        families.filter(|family| !family.get_metric().is_empty()).collect()
    }
}

fn conditions_of(gauge: &GaugeVec, name: &str, conditions: &[Condition]) {
    for condition in conditions {
        add(gauge, &[name, &condition.type_, status(condition)], 1.0);
    }
}

fn ready(conditions: &[Condition]) -> Option<&'static str> {
    conditions.iter().find(|condition| condition.type_ == condition::READY).map(status)
}

/// One of three words, whatever stands there.
fn status(condition: &Condition) -> &'static str {
    match condition.status.as_str() {
        "True" => "True",
        "False" => "False",
        _ => "Unknown",
    }
}

fn add(gauge: &GaugeVec, labels: &[&str], value: f64) {
    if let Ok(gauge) = gauge.get_metric_with_label_values(labels) {
        gauge.add(value);
    }
}
