//! Golden pairs: a pod as the API server sends it, and the same pod patched.
//!
//! `UPDATE_GOLDEN=1 cargo test -p mail-egress-operator golden` writes the second files anew; read
//! the difference before you keep it.

use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::{
    AUTH_VOLUME, Decision, FEDERATED_VOLUME, Injection, NO_TOKEN_VOLUME, Refusal, Resources, SENDER_VOLUME,
    SPILL_VOLUME, Settings, Skip, inject,
};

fn settings() -> Settings {
    Settings {
        sidecar_image: "mail-egress-sidecar:dev".to_owned(),
        operator_namespace: "mail-egress-system".to_owned(),
        version: "0.1.0".to_owned(),
        log_format: "json".to_owned(),
        log_addresses: None,
        resources: Resources::default(),
        proxies: Vec::new(),
    }
}

fn file(name: &str, end: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/inject/golden/{name}.{end}.yaml"))
}

fn pod(name: &str) -> Value {
    let text = std::fs::read_to_string(file(name, "in")).unwrap();
    serde_yaml::from_str(&text).unwrap()
}

fn decide(pod: &Value) -> Decision {
    let pod: Pod = serde_json::from_value(pod.clone()).unwrap();
    inject(&pod, "shop", &settings())
}

fn injection(pod: &Value) -> Injection {
    match decide(pod) {
        Decision::Inject(injection) => injection,
        Decision::Skip(skip) => panic!("skipped: {skip}"),
        Decision::Refuse(refusal) => panic!("refused: {refusal}"),
    }
}

/// Applies what is decided, as the API server would.
fn patched(pod: &Value) -> Value {
    let mut patched = pod.clone();
    json_patch::patch(&mut patched, &injection(pod).patch).unwrap();
    patched
}

fn refusal(pod: &Value) -> Refusal {
    match decide(pod) {
        Decision::Refuse(refusal) => refusal,
        Decision::Inject(_) => panic!("injected"),
        Decision::Skip(skip) => panic!("skipped: {skip}"),
    }
}

/// Compares with the golden file, and asks a second time.
fn golden(name: &str) {
    let before = pod(name);
    assert!(injection(&before).is_first);
    let after = patched(&before);
    let expected = file(name, "out");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&expected, serde_yaml::to_string(&after).unwrap()).unwrap();
    }
    let expected: Value = serde_yaml::from_str(&std::fs::read_to_string(expected).unwrap()).unwrap();
    assert_eq!(after, expected, "{name}: see the comment at the top of golden.rs");

    let again = injection(&after);
    assert!(again.patch.0.is_empty() && !again.is_first, "not idempotent: {}", again.patch);
    keeps_the_users_own(&before, &after);
}

/// Whatever the user wrote is there, as it was.
fn keeps_the_users_own(before: &Value, after: &Value) {
    assert_eq!(before["spec"]["containers"], after["spec"]["containers"]);
    let others = |pod: &Value, list: &str| -> Vec<Value> {
        let ours =
            ["mail-egress", SENDER_VOLUME, NO_TOKEN_VOLUME, SPILL_VOLUME, AUTH_VOLUME, FEDERATED_VOLUME];
        let list = pod["spec"][list].as_array().cloned().unwrap_or_default();
        list.into_iter().filter(|item| !ours.contains(&item["name"].as_str().unwrap())).collect()
    };
    for list in ["initContainers", "volumes"] {
        assert_eq!(others(before, list), others(after, list));
    }
}

fn init_names(pod: &Value) -> Vec<&str> {
    let init = pod["spec"]["initContainers"].as_array().unwrap();
    init.iter().map(|container| container["name"].as_str().unwrap()).collect()
}

fn set(pod: &Value, pointer: &str, value: Value) -> Value {
    let mut pod = pod.clone();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/");
    match pod.pointer_mut(parent).unwrap() {
        Value::Array(list) => list.push(value),
        object => object[key] = value,
    }
    pod
}

fn annotated(pod: &Value, key: &str, value: &str) -> Value {
    let mut pod = pod.clone();
    pod["metadata"]["annotations"][format!("mail-egress.io/{key}")] = json!(value);
    pod
}

#[test]
fn a_bare_pod() {
    golden("bare");
}

#[test]
fn a_pod_with_a_volume_for_a_spool() {
    golden("spool");
}

#[test]
fn a_pod_of_a_deployment() {
    golden("deployment");
}

#[test]
fn a_pod_of_a_job() {
    golden("job");
}

#[test]
fn a_pod_of_a_statefulset_with_init_containers() {
    golden("statefulset");
}

#[test]
fn a_pod_with_istio() {
    golden("istio");
}

#[test]
fn a_pod_with_linkerd() {
    golden("linkerd");
}

#[test]
fn a_pod_of_root_with_everything_asked_for() {
    golden("wishes");
}

#[test]
fn a_pod_whose_app_logs_in() {
    golden("auth");
}

#[test]
fn the_second_call_finds_the_api_servers_defaults_and_changes_nothing() {
    let mut pod = patched(&pod("deployment"));
    // as a real 1.35 API server sends it back (see the fact sheet, "Tried")
    let sidecar = &mut pod["spec"]["initContainers"][0];
    sidecar["terminationMessagePath"] = json!("/dev/termination-log");
    sidecar["imagePullPolicy"] = json!("IfNotPresent");
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        sidecar[probe]["successThreshold"] = json!(1);
    }
    sidecar["env"] = json!([{"name": "ADDED", "value": "by another webhook"}]);
    sidecar["resources"]["limits"]["cpu"] = json!("1"); // a LimitRange
    for volume in pod["spec"]["volumes"].as_array_mut().unwrap() {
        if volume["name"] == "mail-egress-sender" {
            volume["secret"]["defaultMode"] = json!(420);
        }
    }
    let again = injection(&pod);
    assert!(again.patch.0.is_empty() && !again.is_first, "{}", again.patch);
}

#[test]
fn the_second_call_removes_a_token_that_came_in_between() {
    let mut pod = patched(&pod("deployment"));
    let mounts = &mut pod["spec"]["initContainers"][0]["volumeMounts"];
    mounts[1]["name"] = json!("kube-api-access-abcde");
    let mended = patched(&pod);
    let mounts = &mended["spec"]["initContainers"][0]["volumeMounts"];
    assert_eq!(mounts[1]["name"], "mail-egress-no-api-token");
    assert!(!mounts.to_string().contains("kube-api-access"));
}

#[test]
fn a_mesh_that_comes_later_goes_first() {
    for names in [["istio-validation", "istio-proxy"], ["linkerd-init", "linkerd-proxy"]] {
        let mut pod = patched(&pod("statefulset"));
        let init = pod["spec"]["initContainers"].as_array_mut().unwrap();
        init.splice(0..0, names.map(|name| json!({"name": name, "image": "mesh"})));
        let mended = patched(&pod);
        assert_eq!(init_names(&mended), [names[0], names[1], "mail-egress", "migrate", "warm-up"]);
        assert!(injection(&mended).patch.0.is_empty());
    }
}

#[test]
fn an_init_container_that_another_webhook_put_in_front_goes_behind() {
    let mut pod = patched(&pod("statefulset"));
    let init = pod["spec"]["initContainers"].as_array_mut().unwrap();
    init.insert(0, json!({"name": "vault-agent-init", "image": "vault"}));
    let mended = patched(&pod);
    assert_eq!(init_names(&mended), ["mail-egress", "vault-agent-init", "migrate", "warm-up"]);
}

#[test]
fn an_older_version_is_brought_up_to_date() {
    let mut pod = patched(&pod("job"));
    pod["metadata"]["annotations"]["mail-egress.io/injected"] = json!("{\"version\":\"0.0.9\"}");
    pod["spec"]["initContainers"][0]["image"] = json!("mail-egress-sidecar:0.0.9");
    let mended = patched(&pod);
    assert_eq!(mended["spec"]["initContainers"][0]["image"], "mail-egress-sidecar:dev");
    assert_eq!(mended["metadata"]["annotations"]["mail-egress.io/injected"], "{\"version\":\"0.1.0\"}");
}

#[test]
fn the_admin_port_moves_away_from_a_declared_one_and_the_smtp_port_does_not() {
    let pod = pod("bare");
    let declared = |port: u16, protocol: &str| {
        let ports = json!([{"containerPort": port, "protocol": protocol}]);
        set(&pod, "/spec/containers/0/ports", ports)
    };
    let pod = patched(&declared(9587, "TCP"));
    assert_eq!(pod["spec"]["initContainers"][0]["ports"][0]["containerPort"], 9588);
    assert!(pod["spec"]["initContainers"][0]["args"].to_string().contains("0.0.0.0:9588"));
    assert!(injection(&pod).patch.0.is_empty(), "and stays there");

    let refused = refusal(&declared(2525, "TCP")).to_string();
    assert_eq!(
        refused,
        "the container app declares the port 2525, which the sidecar needs for SMTP; choose another for the sidecar by the annotation mail-egress.io/smtp-port"
    );
    injection(&declared(2525, "UDP"));
    injection(&annotated(&declared(2525, "TCP"), "smtp-port", "2526"));
    let asked = annotated(&declared(9587, "TCP"), "admin-port", "9587");
    assert_eq!(refusal(&asked).reason(), "PortTaken");
}

#[test]
fn refuses_pods_in_which_the_token_could_be_seen() {
    let pod = pod("bare");
    let cases = [
        ("hostNetwork", "HostNetwork"),
        ("hostPID", "HostPID"),
        ("shareProcessNamespace", "SharedProcessNamespace"),
    ];
    for (field, reason) in cases {
        let refused = refusal(&set(&pod, &format!("/spec/{field}"), json!(true)));
        assert_eq!(refused.reason(), reason);
        let sentence = refused.to_string();
        assert!(sentence.contains(&format!("spec.{field} is true")), "{sentence}");
        injection(&set(&pod, &format!("/spec/{field}"), json!(false)));
    }
    for volume in [SENDER_VOLUME, NO_TOKEN_VOLUME, SPILL_VOLUME, AUTH_VOLUME, FEDERATED_VOLUME] {
        let mounts = json!([{"name": volume, "mountPath": "/mine"}]);
        let user = set(&pod, "/spec/containers/0/volumeMounts", mounts.clone());
        assert_eq!(refusal(&user).reason(), "VolumeMounted");
        let mut later = patched(&pod);
        later["spec"]["containers"][0]["volumeMounts"] = mounts;
        assert_eq!(refusal(&later).reason(), "VolumeMounted", "also when it comes between two calls");
    }
}

#[test]
fn refuses_windows() {
    let pod = pod("bare");
    for (field, value) in [
        ("os", json!({"name": "windows"})),
        ("nodeSelector", json!({"kubernetes.io/os": "windows"})),
        ("securityContext", json!({"windowsOptions": {"hostProcess": false}})),
    ] {
        assert_eq!(refusal(&set(&pod, &format!("/spec/{field}"), value)).reason(), "Windows");
    }
    injection(&set(&pod, "/spec/os", json!({"name": "linux"})));
}

#[test]
fn refuses_names_that_are_ours() {
    let pod = pod("bare");
    let container = json!({"name": "mail-egress", "image": "x"});
    let beside = set(&pod, "/spec/containers/-", container.clone());
    assert_eq!(refusal(&beside).reason(), "NameTaken");
    let before = set(&pod, "/spec/initContainers", json!([container]));
    assert!(
        refusal(&before).to_string().starts_with("spec.initContainers has a container named mail-egress")
    );
    let volumes = json!([{"name": "mail-egress-sender", "emptyDir": {}}]);
    assert_eq!(refusal(&set(&pod, "/spec/volumes", volumes)).reason(), "NameTaken");
}

#[test]
fn refuses_labels_and_annotations_that_cannot_be_meant() {
    let pod = pod("bare");
    let long = "a".repeat(51);
    for label in ["", "Billing", "billing_1", "-a", "a-", "a..b", ".", &long] {
        let mut pod = pod.clone();
        pod["metadata"]["labels"]["mail-egress.io/sender"] = json!(label);
        assert_eq!(refusal(&pod).reason(), "InvalidLabel", "{label:?}");
    }
    for port in
        ["", "25", "1023", "65536", "+2525", " 2525", "2525 ", "0x9dd", "smtp", "2525.0", "99999999999"]
    {
        let refused = refusal(&annotated(&pod, "smtp-port", port)).to_string();
        let expected = format!(
            "the annotation mail-egress.io/smtp-port is {port:?}: it must be a port from 1024 to 65535"
        );
        assert_eq!(refused, expected);
    }
    let same = annotated(&annotated(&pod, "smtp-port", "9000"), "admin-port", "9000");
    assert_eq!(refusal(&same).reason(), "InvalidAnnotation");
    for (key, value) in
        [("memory-limit", "64MB"), ("cpu-request", "-1"), ("cpu-limit", ""), ("memory-request", "0")]
    {
        let refused = refusal(&annotated(&pod, key, value)).to_string();
        assert!(
            refused.starts_with(&format!("the annotation mail-egress.io/{key} is {value:?}: ")),
            "{refused}"
        );
    }
}

#[test]
fn refuses_a_secret_that_no_secret_or_the_tokens_can_be() {
    let pod = pod("bare");
    for name in ["", "Smtp", "a/b", "a_b", &"a".repeat(254), "mail-egress-billing"] {
        let refused = refusal(&annotated(&pod, "auth-secret", name));
        assert_eq!(refused.reason(), "InvalidAnnotation", "{name:?}");
        assert!(refused.to_string().contains("username and password"), "{refused}");
    }
    injection(&annotated(&pod, "auth-secret", &"a".repeat(253)));
}

#[test]
fn a_pods_own_token_for_entra_is_mounted_into_the_sidecar_where_it_is_asked_for() {
    golden("federated");
}

#[test]
fn refuses_an_audience_that_is_none_or_the_clusters_own() {
    let pod = pod("bare");
    for audience in [
        "",
        "a b",
        "https://kubernetes.default.svc",
        "https://kubernetes.default.svc.cluster.local",
        &"a".repeat(601),
    ] {
        let refused = refusal(&annotated(&pod, "federated-audience", audience));
        assert_eq!(refused.reason(), "InvalidAnnotation", "{audience:?}");
    }
    injection(&annotated(&pod, "federated-audience", "api://AzureADTokenExchange"));
}

#[test]
fn an_annotation_that_is_not_known_is_warned_of_once_and_the_pod_injected() {
    let slip = annotated(&pod("bare"), "smtp-prot", "2526");
    let Decision::Inject(first) = decide(&slip) else { panic!("not injected") };
    assert!(first.is_first && !first.patch.0.is_empty());
    let warning = "mail-egress: mail-egress.io/smtp-prot is not known and has no effect; known: smtp-port, ";
    assert!(first.warnings.len() == 1 && first.warnings[0].starts_with(warning), "{:?}", first.warnings);
    let Decision::Inject(again) = decide(&patched(&slip)) else { panic!("not injected") };
    assert_eq!(again.warnings, [""; 0]);
    let long = annotated(&pod("bare"), &"x".repeat(200), "");
    let Decision::Inject(long) = decide(&long) else { panic!("not injected") };
    assert!(long.warnings[0].len() <= 256, "{}", long.warnings[0].len());
}

#[test]
fn a_bad_value_is_repeated_in_part_only() {
    let refused = refusal(&annotated(&pod("bare"), "smtp-port", &"9".repeat(200_000))).to_string();
    assert!(refused.len() < 200, "{}", refused.len());
}

#[test]
fn refuses_the_operators_own_namespace() {
    let pod: Pod = serde_json::from_value(pod("bare")).unwrap();
    let Decision::Refuse(refusal) = inject(&pod, "mail-egress-system", &settings()) else {
        panic!("not refused");
    };
    assert_eq!(refusal.reason(), "OperatorNamespace");
}

#[test]
fn leaves_alone_what_does_not_ask_or_cannot_be_changed() {
    let mut pod = pod("bare");
    pod["metadata"]["annotations"]["kubernetes.io/config.mirror"] = json!("x");
    assert_eq!(decide(&pod), Decision::Skip(Skip::StaticPod));
    pod["metadata"]["labels"] = json!({"app": "x"});
    assert_eq!(decide(&pod), Decision::Skip(Skip::NoLabel));
}

#[test]
fn a_short_grace_period_leaves_time_to_say_no() {
    let drain = |grace: Value| {
        let pod = patched(&set(&pod("bare"), "/spec/terminationGracePeriodSeconds", grace));
        let args = pod["spec"]["initContainers"][0]["args"].as_array().unwrap().clone();
        let flag = args.iter().position(|arg| arg == "--drain-timeout").unwrap();
        args[flag + 1].as_str().unwrap().to_owned()
    };
    assert_eq!(drain(json!(10)), "5s");
    assert_eq!(drain(json!(0)), "1s");
    assert_eq!(drain(json!(600)), "25s");
}

#[test]
fn addresses_are_hidden_in_the_sidecars_log_where_the_installation_says_so() {
    let pod: Pod = serde_json::from_value(pod("bare")).unwrap();
    let settings = Settings { log_addresses: Some("none".to_owned()), ..settings() };
    let Decision::Inject(injection) = inject(&pod, "shop", &settings) else { panic!("not injected") };
    let patch = serde_json::to_string(&injection.patch).unwrap();
    assert!(patch.contains(r#""--log-addresses","none""#), "{patch}");
}

#[test]
fn the_proxy_for_https_stands_in_the_sidecars_environment_beside_what_the_spool_needs() {
    let proxies = [("HTTPS_PROXY", "http://proxy:3128"), ("NO_PROXY", ".svc")];
    let proxies = proxies.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let settings = Settings { proxies, ..settings() };
    for (name, others) in [("bare", 0), ("spool", 1)] {
        let pod: Pod = serde_json::from_value(pod(name)).unwrap();
        let Decision::Inject(injection) = inject(&pod, "shop", &settings) else { panic!("not injected") };
        let mut patched = serde_json::to_value(&pod).unwrap();
        json_patch::patch(&mut patched, &injection.patch).unwrap();
        let containers = patched["spec"]["initContainers"].as_array().unwrap();
        let sidecar = containers.iter().find(|container| container["name"] == "mail-egress").unwrap();
        let variables = sidecar["env"].as_array().unwrap();
        assert_eq!(variables[0], json!({"name": "HTTPS_PROXY", "value": "http://proxy:3128"}), "{name}");
        assert_eq!(variables[1], json!({"name": "NO_PROXY", "value": ".svc"}), "{name}");
        assert_eq!(variables.len(), 2 + others, "{name}");
    }
}
