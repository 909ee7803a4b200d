//! Operator, webhook, sidecar and an app on a real control plane and node, with a lab to send to.

mod mail_is_spooled;
mod operator_is_restarted;
mod pods_are_injected;
mod senders_are_followed;
mod tokens_stay_out_of_the_app;
mod workloads_exchange_their_own_token;
mod world;

use std::process::ExitCode;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};
use mail_egress_tests::cluster::{Cluster, Node, Options};
use mail_egress_tests::programs::Programs;

use world::World;

/// Scenarios by name; without a world they are listed as ignored.
macro_rules! trials {
    ($world:ident, $runtime:ident, $calm:ident: $($name:path),* $(,)?) => {
        [$({
            let (world, handle) = ($world.clone(), $runtime.handle().clone());
            let absent = world.is_none();
            Trial::test(stringify!($name).replace(' ', ""), move || {
                let Some(world) = world else { return Err(Failed::from("there is no node")) };
                let calm = async { let _calm = world.calm.$calm().await; $name(&world).await };
                handle.block_on(calm).map_err(|error| Failed::from(format!("{error:#}")))
            })
            .with_ignored_flag(absent)
        }),*]
    };
}

fn main() -> Result<ExitCode> {
    let mut arguments = Arguments::from_args();
    // nearly all of the time is the kubelet's, which looks at a mount once a minute: wait together
    arguments.test_threads.get_or_insert(16);
    let programs = Programs::build()?;
    let cluster = Cluster::start(&Options::default())?;
    cluster.enter()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let world = match cluster.node() {
        Node::Ready => Some(runtime.block_on(World::new(cluster.running().clone(), programs))?),
        Node::Absent { reason } => {
            eprintln!("the scenarios that need a node are skipped: {reason}");
            None
        }
    };
    let together = trials![world, runtime, read:
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
        mail_is_spooled::what_a_deleted_pod_has_kept_the_next_one_sends,
        mail_is_spooled::a_spool_that_goes_with_the_pod_needs_a_word,
        tokens_stay_out_of_the_app::token_is_in_the_sidecar_and_not_in_the_app,
        workloads_exchange_their_own_token::no_secret_holds_a_token_and_mail_is_delivered,
    ];
    let alone = trials![world, runtime, write:
        operator_is_restarted::a_restarted_operator_asks_entra_for_no_new_token,
    ];
    let conclusion = libtest_mimic::run(&arguments, together.into_iter().chain(alone).collect());
    if let Some(world) = world.filter(|_| conclusion.has_failed()) {
        runtime.block_on(world.tell_what_happened());
    }
    drop(runtime);
    cluster.stop()?;
    Ok(conclusion.exit_code())
}
