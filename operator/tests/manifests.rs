//! The manifests of `deploy/` say what the program says.

// Helpers are no tests to clippy.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use clap::Parser;
use mail_egress_crds::names::{LABEL_SENDER, SECRET_TYPE_SENDER, SENDER_SECRET_PREFIX};
use mail_egress_operator::args::{Args, Command};
use mail_egress_operator::webhook::{MUTATE_PATH, WEBHOOK_NAME};
use serde_json::{Value, json};

fn documents() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .flat_map(|file| {
            let text = std::fs::read_to_string(&file).unwrap();
            text.split("\n---\n").map(|document| serde_yaml::from_str(document).unwrap()).collect::<Vec<_>>()
        })
        .collect()
}

fn document(kind: &str) -> Value {
    let mut found: Vec<_> = documents().into_iter().filter(|document| document["kind"] == kind).collect();
    assert_eq!(found.len(), 1, "{kind}");
    found.remove(0)
}

#[test]
fn the_webhook_asks_where_the_operator_answers_and_holds_no_bundle() {
    let configuration = document("MutatingWebhookConfiguration");
    let webhook = &configuration["webhooks"][0];
    assert_eq!(webhook["name"], WEBHOOK_NAME);
    assert_eq!(webhook["clientConfig"]["service"]["path"], MUTATE_PATH);
    assert_eq!(webhook["objectSelector"]["matchExpressions"][0]["key"], LABEL_SENDER);
    assert!(webhook["clientConfig"]["caBundle"].is_null(), "applying it again would remove the real one");

    let service = document("Service");
    for field in ["name", "namespace"] {
        assert_eq!(webhook["clientConfig"]["service"][field], service["metadata"][field]);
    }
    let port = &webhook["clientConfig"]["service"]["port"];
    assert!(service["spec"]["ports"].as_array().unwrap().iter().any(|offered| offered["port"] == *port));
}

#[test]
fn the_command_line_of_the_deployment_is_valid_and_its_ports_are_the_programs() {
    let deployment = document("Deployment");
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let words = ["command", "args"].iter().flat_map(|list| container[list].as_array().unwrap());
    let args = Args::try_parse_from(words.map(|word| word.as_str().unwrap())).unwrap();
    let Command::Run(run) = args.command else { panic!("another command") };
    assert_eq!(run.sidecar_image, "mail-egress-sidecar:dev");
    assert_eq!(container["image"], "mail-egress-operator:dev");

    let port = |name: &str| {
        let ports = container["ports"].as_array().unwrap();
        ports.iter().find(|port| port["name"] == name).unwrap()["containerPort"].clone()
    };
    assert_eq!(port("webhook"), run.webhook_address.port());
    assert_eq!(port("admin"), run.admin_address.port());
    assert_eq!(document("Service")["metadata"]["name"], run.service_name);
    assert_eq!(document("Namespace")["metadata"]["name"], run.namespace);
}

#[test]
fn the_confinement_speaks_of_the_operators_account_and_of_its_type() {
    let account = document("ServiceAccount");
    let field = |name: &str| account["metadata"][name].as_str().unwrap().to_owned();
    let user = format!("'system:serviceaccount:{}:{}'", field("namespace"), field("name"));
    let policy = document("ValidatingAdmissionPolicy");
    let by_operator = &policy["spec"]["variables"][0]["expression"];
    assert!(by_operator.as_str().unwrap().ends_with(&user), "{by_operator}");
    let text = policy.to_string();
    assert_eq!(text.matches(&user).count(), 2);
    assert!(text.contains(&format!("'{SECRET_TYPE_SENDER}'")));
    assert_eq!(policy["spec"]["failurePolicy"], "Fail");
    assert_eq!(document("ValidatingAdmissionPolicyBinding")["spec"]["validationActions"], json!(["Deny"]));
}

/// A pod mounts the Secret by its name: what is refused by name must be let in by the conditions.
#[test]
fn the_confinement_keeps_the_names_that_pods_mount_for_the_operator() {
    let policy = document("ValidatingAdmissionPolicy");
    let spec = &policy["spec"];
    let rule = format!("object.metadata.?name.orValue('').startsWith('{SENDER_SECRET_PREFIX}')");
    let own =
        format!("request.namespace != '{}'", document("Namespace")["metadata"]["name"].as_str().unwrap());
    let variable =
        spec["variables"].as_array().unwrap().iter().find(|v| v["name"] == "takesOurName").unwrap();
    for expression in [&spec["matchConditions"][0]["expression"], &variable["expression"]] {
        let expression = expression.as_str().unwrap();
        assert!(expression.contains(&rule) && expression.contains(&own), "{expression}");
    }
    let refusals = spec["validations"].as_array().unwrap();
    let refusal =
        refusals.iter().find(|rule| rule["expression"].to_string().contains("takesOurName")).unwrap();
    assert!(refusal["message"].as_str().unwrap().contains("choose another name"));
}

/// What the design promises of the cluster-wide role.
#[test]
fn the_cluster_wide_role_reads_no_secret_and_writes_nothing_by_a_wildcard() {
    let roles: Vec<_> = documents()
        .into_iter()
        .filter(|document| {
            document["kind"] == "ClusterRole" && document["metadata"]["name"] == "mail-egress-operator"
        })
        .collect();
    let rules = roles[0]["rules"].as_array().unwrap();
    assert!(!roles[0]["rules"].to_string().contains('*'));
    let secrets: Vec<_> = rules.iter().filter(|rule| rule["resources"] == json!(["secrets"])).collect();
    assert_eq!(secrets.len(), 1);
    assert_eq!(secrets[0]["verbs"], json!(["create", "patch"]));
}

#[test]
fn only_mailsenders_are_for_app_teams() {
    let aggregated = documents().into_iter().filter(|document| {
        document["metadata"]["labels"].to_string().contains("rbac.authorization.k8s.io/aggregate-to-")
    });
    let aggregated: Vec<_> = aggregated.collect();
    assert_eq!(aggregated.len(), 2);
    for role in aggregated {
        for rule in role["rules"].as_array().unwrap() {
            assert_eq!(rule["resources"], json!(["mailsenders"]), "{}", role["metadata"]["name"]);
        }
    }
}
