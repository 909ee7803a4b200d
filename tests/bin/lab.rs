//! The lab as a program: an Entra and an Exchange to try things on without a tenant.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use mail_egress_tests::lab::program::{Options, run};

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse(), &mut std::io::stdout()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // where standard error is gone as well, the code has to do
            let _gone = writeln!(std::io::stderr(), "lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}
