//! What needs an API server and no node: objects that make no sense, and operators as processes.

mod bad_objects_are_refused;
mod confinement;
mod crd_cases;
mod credentials;
mod operators;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use libtest_mimic::{Arguments, Failed, Trial};
use mail_egress_tests::cluster::{Cluster, Options, Progress, Running};
use mail_egress_tests::faketime::clock_off_by;
use mail_egress_tests::installation;
use mail_egress_tests::kubectl::Kubectl;
use mail_egress_tests::programs::Programs;

/// A control plane with the custom resources, for all scenarios.
#[derive(Debug)]
pub(crate) struct Bed {
    pub(crate) running: Running,
    pub(crate) kubectl: Kubectl,
    pub(crate) programs: Programs,
}

impl Bed {
    fn kubeconfig(&self) -> Result<serde_yaml::Value> {
        Ok(serde_yaml::from_str(&std::fs::read_to_string(self.running.kubeconfig())?)?)
    }

    /// Where the API server listens.
    pub(crate) fn api_server(&self) -> Result<SocketAddr> {
        let config = self.kubeconfig()?;
        let server =
            config["clusters"][0]["cluster"]["server"].as_str().context("a kubeconfig without server")?;
        Ok(server.trim_start_matches("https://").parse()?)
    }

    /// The administrator's kubeconfig, with another way to the same server.
    pub(crate) fn kubeconfig_by(&self, address: SocketAddr) -> Result<String> {
        let mut config = self.kubeconfig()?;
        let name = self.api_server()?.ip().to_string();
        let cluster = &mut config["clusters"][0]["cluster"];
        cluster["server"] = format!("https://{address}").into();
        cluster["tls-server-name"] = name.into();
        Ok(serde_yaml::to_string(&config)?)
    }
}

/// Scenarios by name; those that cannot run here are listed as ignored.
macro_rules! trials {
    ($bed:ident, $runtime:ident, $runs:expr, $($name:path),* $(,)?) => {
        [$({
            let (bed, handle) = (Arc::clone(&$bed), $runtime.handle().clone());
            Trial::test(stringify!($name).replace(' ', ""), move || {
                handle.block_on($name(&bed)).map_err(|error| Failed::from(format!("{error:#}")))
            })
            .with_ignored_flag(!$runs)
        }),*]
    };
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::from_args();
    let programs = Programs::build()?;
    let cluster = Cluster::start(&Options { node: false, hosts: Vec::new(), progress: Progress::STDERR })?;
    cluster.enter()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let running = cluster.running().clone();
    let bed = Arc::new(Bed { kubectl: Kubectl::new(&running), running, programs });
    runtime.block_on(installation::apply_definitions(&bed.kubectl))?;
    let shifts_clocks = clock_off_by("+30s").inspect_err(|reason| eprintln!("skipped: {reason}")).is_ok();
    // Before the operators, which write to what these look at.
    let first = trials![
        bed,
        runtime,
        true,
        confinement::secrets_of_senders_are_written_by_the_operator_alone,
        crd_cases::the_api_server_judges_every_case_as_the_unit_tests_do,
    ];
    let before = libtest_mimic::run(&arguments, first.into());
    let trials = trials![
        bed,
        runtime,
        true,
        bad_objects_are_refused::a_route_with_two_ways_out,
        bad_objects_are_refused::a_mailbox_that_is_no_address,
        bad_objects_are_refused::a_name_that_is_too_long,
        bad_objects_are_refused::another_tenant_for_the_same_app,
        operators::a_leader_that_is_cut_off_stops_before_the_other_begins,
    ];
    let with_other_clocks = trials![
        bed,
        runtime,
        shifts_clocks,
        operators::and_when_the_follower_s_clock_is_ahead,
        operators::and_when_the_leader_s_clock_is_ahead,
    ];
    let trials = trials.into_iter().chain(with_other_clocks).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    // alone: an operator of another scenario would judge its senders too
    let last = trials![bed, runtime, true, credentials::every_kind_is_taken_and_each_refusal_explained];
    let last = libtest_mimic::run(&arguments, last.into());
    drop(runtime);
    cluster.stop()?;
    let failed = [&before, &conclusion].into_iter().find(|run| run.has_failed());
    Ok(failed.unwrap_or(&last).exit_code())
}
