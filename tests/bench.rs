//! The benchmark behind `make bench`: the same load by the direct path to the lab's Exchange and
//! through each relay, side by side in one run.
//!
//! The lab and the load run in this process, each on a runtime with threads of its own; every
//! relay is a process of its own, started afresh for every measurement, so that a peak of memory
//! belongs to one case. A further relay is one more [`relay::Row`].

mod dialogue;
mod figures;
mod load;
mod measure;
mod memory;
mod options;
mod process;
mod relay;
mod report;
mod table;

use std::io::Write;
use std::sync::Arc;

use anyhow::Context;
use tokio::runtime::{Builder, Runtime};

use crate::lab::{Lab, LabOptions, Limits};
pub use options::Options;
use options::Output;
use report::Report;

/// Measures what the options ask for and writes the report; progress goes to `progress`.
///
/// # Errors
/// When a relay cannot be started, or the client itself fails; what a relay refuses is a result.
pub fn run(options: &Options, out: &mut impl Write, progress: &mut impl Write) -> anyhow::Result<()> {
    for row in &options.relays {
        row.provide().with_context(|| row.name())?;
    }
    let lab_runtime = runtime("lab")?;
    let lab_options = LabOptions { limits: Limits::lifted(), ..LabOptions::default() };
    let lab = Arc::new(lab_runtime.block_on(Lab::start(lab_options))?);
    let report = runtime("load")?.block_on(measured(options, &lab, progress))?;
    match options.output {
        Output::Table => write!(out, "{report}")?,
        Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?,
    }
    out.flush().context("cannot write the report")
}

async fn measured(options: &Options, lab: &Arc<Lab>, progress: &mut impl Write) -> anyhow::Result<Report> {
    let mut report = Report::new(options);
    let cases = options.cases();
    for (number, case) in cases.iter().enumerate() {
        writeln!(progress, "[{}/{}] {case}", number + 1, cases.len())?;
        let mut rounds = vec![Vec::new(); options.relays.len()];
        // round by round and not relay by relay: what disturbs the machine disturbs all of them
        for _ in 0..options.rounds() {
            for (row, rounds) in options.relays.iter().zip(&mut rounds) {
                rounds.push(measure::round(lab, *row, case, options).await?);
            }
        }
        report.add(case, &options.relays, &rounds);
    }
    for row in options.relays.iter().filter(|row| options.memory && row.is_process()) {
        writeln!(progress, "memory of {}", row.name())?;
        report.memory.push(memory::measured(lab, *row, options).await?);
    }
    Ok(report)
}

fn runtime(name: &str) -> anyhow::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.thread_name(name).enable_all().build().context("cannot start a runtime")
}
