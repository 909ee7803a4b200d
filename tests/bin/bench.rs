//! The benchmark as a program: `make bench`.

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use clap::Parser;
use mail_egress_tests::bench::{Options, run};

fn main() -> ExitCode {
    match run(&Options::parse(), &mut stdout(), &mut stderr()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // where standard error is gone as well, the code has to do
            let _gone = writeln!(stderr(), "bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
