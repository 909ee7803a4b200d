//! What `examples/` and `docs/without-kubernetes.md` show is what the program takes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test says no")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use clap::{CommandFactory, Parser};
use mail_egress_config::{
    CertificateFiles, ClientCertificate, EntraSource, Fallback, GraphRoute, LargeMessages, Limits, Login,
    Route, Security, SenderFile, SignatureAlgorithm, SmtpRoute, State, Token, TokenSource, Unready, parse,
    write,
};
use mail_egress_sidecar::args::{Cli, Command};
use serde_json::Value;

fn read(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn doc() -> String {
    read("docs/without-kubernetes.md")
}

/// The blocks of this language in the page.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_example_files_are_read() {
    let example = parse(read("examples/sender.json").as_bytes()).unwrap();
    assert!(example.token_source.is_some() && example.state == State::Ready);
    let shown = blocks(&doc(), "json");
    assert!(!shown.is_empty());
    for block in shown {
        parse(block.as_bytes()).unwrap_or_else(|error| panic!("{error}:\n{block}"));
    }
}

/// A file in which nothing is left out.
fn whole() -> SenderFile {
    let text = read("examples/sender.json");
    let mut file = parse(text.as_bytes()).unwrap();
    let Some(Route::ExchangeOnline(route)) = file.route.take() else { panic!("no route") };
    let relay = SmtpRoute {
        mx: true,
        ca_bundle: Some("pem".to_owned()),
        security: Security::ImplicitTls,
        login: Login::Password { username: "u".to_owned(), password: "p".into() },
        client_certificate: Some(ClientCertificate { certificates: "c".to_owned(), key: "k".into() }),
        accepted_domains: vec!["contoso.com".to_owned()],
        proxy: Some("http://proxy:3128".to_owned()),
        ..route
    };
    file.route = Some(Route::DirectSend(relay));
    let graph = GraphRoute {
        name: "graph".to_owned(),
        base_url: "https://graph.microsoft.com".to_owned(),
        ca_bundle: None,
        max_message_bytes: 1,
        large_messages: LargeMessages::Draft,
        proxy: None,
    };
    file.fallback = Some(Fallback { route: Route::Graph(graph), token: None });
    let Some(TokenSource::Entra(source)) = file.token_source.take() else { panic!("no source") };
    file.token_source = Some(TokenSource::Entra(EntraSource {
        ca_bundle: Some("pem".to_owned()),
        certificate: Some(CertificateFiles {
            certificate_file: "c".into(),
            key_file: "k".into(),
            signature_algorithm: SignatureAlgorithm::RS256,
        }),
        federated_token_file: Some("f".into()),
        refresh_token_file: Some("r".into()),
        ..source
    }));
    file.state = State::Unready(Unready { reason: "SenderSuspended".to_owned(), message: "why".to_owned() });
    file.token = Some(Token { value: "t".into(), expires_at: "2026-11-23T12:00:00Z".parse().unwrap() });
    file.rules.allow_null_sender = true;
    file.rules.allow_recipients = vec!["*".to_owned()];
    file.limits = Limits { messages_per_hour: Some(1), ..Limits::EXCHANGE_ONLINE };
    // the usual would be left out
    file.delivery.hold_seconds += 1;
    file
}

fn fields(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields_of) => {
            for (name, value) in fields_of {
                into.insert(name.clone());
                fields(value, into);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| fields(value, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_field_of_the_file_is_explained() {
    let mut names = BTreeSet::new();
    let file: Value = serde_json::from_str(&write(&whole()).unwrap()).unwrap();
    fields(&file, &mut names);
    assert!(names.len() > 55, "{names:?}");
    let page = doc();
    let missing: Vec<_> = names.iter().filter(|name| !page.contains(&format!("{name}`"))).collect();
    assert!(missing.is_empty(), "not in docs/without-kubernetes.md: {missing:?}");
}

#[test]
fn the_unit_says_what_the_program_takes() {
    let unit = read("examples/systemd/mail-egress-sidecar.service");
    let cli = Cli::command();
    let run = cli.find_subcommand("run").unwrap();
    let mut line = vec!["mail-egress-sidecar".to_owned(), "run".to_owned()];
    for setting in unit.lines().filter_map(|line| line.strip_prefix("Environment=")) {
        let (name, value) = setting.split_once('=').unwrap();
        let flag = run.get_arguments().find(|flag| flag.get_env().is_some_and(|env| env == name));
        let flag = flag.unwrap_or_else(|| panic!("no flag has the variable {name}"));
        line.push(format!("--{}", flag.get_long().unwrap()));
        if flag.get_action().takes_values() {
            line.push(value.to_owned());
        } else {
            assert_eq!(value, "true", "{name}");
        }
    }
    assert!(line.len() > 8, "{line:?}");
    let started = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    assert_eq!(started, "/usr/local/bin/mail-egress-sidecar run");
    let Command::Run(args) = Cli::parse_from(&line).command else { panic!("{line:?}") };
    // systemd kills at this time what has not ended
    let stop = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")).unwrap();
    let stop: u64 = stop.trim_end_matches('s').parse().unwrap();
    assert!(args.drain_timeout.0.as_secs() + 5 <= stop);
}

#[test]
fn the_secret_is_where_the_unit_puts_it() {
    let unit = read("examples/systemd/mail-egress-sidecar.service");
    let example = parse(read("examples/sender.json").as_bytes()).unwrap();
    let Some(TokenSource::Entra(source)) = example.token_source else { panic!("no source") };
    let (folder, name) =
        source.client_secret_file.as_ref().unwrap().to_str().unwrap().rsplit_once('/').unwrap();
    assert_eq!(folder, "/run/credentials/mail-egress-sidecar.service");
    assert!(unit.lines().any(|line| line.starts_with(&format!("LoadCredential={name}:"))), "{name}");
}
