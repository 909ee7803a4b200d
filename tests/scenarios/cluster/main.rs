//! Operator, webhook, sidecar and an app on a real control plane and node, with a lab to send to.

mod operator_is_restarted;
mod pods_are_injected;
mod senders_are_followed;
mod tokens_stay_out_of_the_app;
mod world;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};
use mail_egress_tests::cluster::{Cluster, Node, Options};
use mail_egress_tests::programs::Programs;

use world::World;

macro_rules! trials {
    ($world:ident, $runtime:ident: $($name:path),* $(,)?) => {
        vec![$({
            let (world, handle) = (Arc::clone(&$world), $runtime.handle().clone());
            let name = stringify!($name).replace(' ', "");
            Trial::test(name, move || {
                let calm = async { let _calm = world.calm.read().await; $name(&world).await };
                handle.block_on(calm).map_err(|error| Failed::from(format!("{error:#}")))
            })
        }),*]
    };
}

fn main() -> Result<ExitCode> {
    let mut arguments = Arguments::from_args();
    // nearly all of the time is the kubelet's, which looks at a mount once a minute: wait together
    arguments.test_threads.get_or_insert(16);
    let programs = Programs::build()?;
    let cluster = Cluster::start(&Options::default())?;
    if let Node::Absent { reason } = cluster.node() {
        eprintln!("the scenarios that need a node are skipped: {reason}");
        cluster.stop()?;
        return Ok(libtest_mimic::run(&arguments, Vec::new()).exit_code());
    }
    cluster.enter()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let world = runtime.block_on(World::new(cluster.running().clone(), programs))?;
    let mut trials = trials![world, runtime:
        pods_are_injected::a_shared_process_namespace_is_refused,
        pods_are_injected::a_pod_without_the_label_is_left_alone,
        pods_are_injected::a_job_completes,
        pods_are_injected::the_app_ends_before_the_sidecar,
        senders_are_followed::a_pod_made_before_its_mail_sender_delivers_once_it_is_there,
        senders_are_followed::deleting_the_mail_sender_stops_the_running_sidecar,
        senders_are_followed::suspending_stops_and_resumes,
        senders_are_followed::a_wrong_client_secret_is_explained_to_everybody,
        senders_are_followed::a_token_without_roles_is_used_as_it_is,
        senders_are_followed::a_token_that_is_no_jwt_is_used_as_it_is,
        tokens_stay_out_of_the_app::token_is_in_the_sidecar_and_not_in_the_app,
    ];
    let (alone, handle) = (Arc::clone(&world), runtime.handle().clone());
    let restart = "operator_is_restarted::a_restarted_operator_asks_entra_for_no_new_token";
    trials.push(Trial::test(restart, move || {
        let scenario = async {
            let _nobody_else = alone.calm.write().await;
            operator_is_restarted::a_restarted_operator_asks_entra_for_no_new_token(&alone).await
        };
        handle.block_on(scenario).map_err(|error| Failed::from(format!("{error:#}")))
    }));
    let conclusion = libtest_mimic::run(&arguments, trials);
    if conclusion.has_failed() {
        runtime.block_on(world.tell_what_happened());
    }
    drop(world);
    drop(runtime);
    cluster.stop()?;
    Ok(conclusion.exit_code())
}
