//! Programs that were not written here: clients that send through the sidecar, and servers that it
//! sends to.

mod clients;

use std::process::ExitCode;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};
use mail_egress_tests::debian;
use mail_egress_tests::programs::Programs;

fn main() -> Result<ExitCode> {
    let arguments = Arguments::from_args();
    Programs::build_sidecar()?;
    let there = debian::provide(clients::PACKAGES);
    if let Err(reason) = &there {
        eprintln!("skipped: the scenarios with other programs: {reason:#}");
    }
    let trials = clients::CLIENTS.iter().map(|client| {
        let run =
            || -> Result<()> { tokio::runtime::Runtime::new()?.block_on(clients::sends_everything(client)) };
        Trial::test(format!("{}_sends_text_8_bit_attachment_and_many_recipients", client.name), move || {
            run().map_err(|error| Failed::from(format!("{error:#}")))
        })
        .with_ignored_flag(there.is_err())
    });
    Ok(libtest_mimic::run(&arguments, trials.collect()).exit_code())
}
