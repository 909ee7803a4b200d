//! Programs that were not written here: clients that send through the sidecar, servers that it
//! sends to, proxies on the way, and Prometheus' tool that judges its metrics.

mod clients;
mod matrix;
mod metrics;
mod proxies;
mod servers;

use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;
use libtest_mimic::{Arguments, Failed, Trial};
use mail_egress_config::Security;
use mail_egress_tests::debian::{self, Wanted};
use mail_egress_tests::lab::program::RouteKind;
use mail_egress_tests::programs::Programs;
use tokio::runtime::Runtime;

fn main() -> Result<ExitCode> {
    let arguments = Arguments::from_args();
    Programs::build_sidecar()?;
    let packages: Vec<Wanted<'_>> =
        [clients::PACKAGES, metrics::PACKAGES, proxies::PACKAGES, servers::postfix::PACKAGES].concat();
    let there = debian::provide(&packages);
    if let Err(reason) = &there {
        eprintln!("skipped: the scenarios with other programs: {reason:#}");
    }
    let mut trials: Vec<Trial> = clients::CLIENTS
        .iter()
        .map(|client| {
            let name = format!("{}_sends_text_8_bit_attachment_and_many_recipients", client.name);
            trial(name, || Runtime::new()?.block_on(clients::sends_everything(client)))
        })
        .collect();
    trials.push(trial("promtool_has_no_objection_to_the_metrics", || {
        Runtime::new()?.block_on(metrics::promtool_has_no_objection())
    }));
    trials.push(trial("tinyproxy_leads_where_it_may_and_its_refusals_are_explained", || {
        Runtime::new()?.block_on(proxies::tinyproxy_leads_where_it_may_and_its_refusals_are_explained())
    }));
    trials.push(trial("microsocks_leads_and_its_refusals_are_explained", || {
        Runtime::new()?.block_on(proxies::microsocks_leads_and_its_refusals_are_explained())
    }));
    for (way, security) in [("starttls", Security::StartTls), ("implicit_tls", Security::ImplicitTls)] {
        trials.push(trial(format!("postfix_takes_everything_by_{way}"), move || {
            Runtime::new()?.block_on(servers::postfix_takes_everything(security))
        }));
    }
    trials.push(trial("postfix_and_dovecot_refuse_wrong_tokens", || {
        Runtime::new()?.block_on(servers::postfix_refuses_wrong_tokens(Security::StartTls))
    }));
    trials.push(trial("a_token_that_dovecot_refuses_is_replaced_without_the_app_noticing", || {
        Runtime::new()?.block_on(servers::a_token_that_postfix_refuses_is_replaced(Security::StartTls))
    }));
    trials.push(trial("postfix_refuses_the_unknown_and_the_large", || {
        Runtime::new()?.block_on(servers::postfix_refuses_the_unknown_and_the_large(Security::ImplicitTls))
    }));
    for mechanism in ["plain", "login"] {
        trials.push(trial(
            format!("postfix_takes_a_password_by_{mechanism}_and_refuses_a_wrong_one"),
            move || Runtime::new()?.block_on(servers::postfix_takes_a_password(mechanism)),
        ));
    }
    trials.push(trial("postfix_takes_a_certificate_by_fingerprint_or_authority_and_refuses_others", || {
        Runtime::new()?.block_on(servers::postfix_takes_a_certificate())
    }));
    for route in RouteKind::value_variants() {
        trials.push(trial(format!("mail_of_a_library_arrives_as_it_was_sent_by_{route}"), || {
            Runtime::new()?.block_on(matrix::arrives_as_it_was_sent(*route))
        }));
    }
    let trials = trials.into_iter().map(|trial| trial.with_ignored_flag(there.is_err())).collect();
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}

fn trial(name: impl Into<String>, run: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    Trial::test(name, move || run().map_err(|error| Failed::from(format!("{error:#}"))))
}
