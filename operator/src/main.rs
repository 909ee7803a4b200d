//! The operator's program.

use std::process::ExitCode;

use clap::Parser;
use mail_egress_operator::{
    args::{Args, Command},
    log, login, run,
};

fn main() -> ExitCode {
    match Args::parse().command {
        Command::Run(args) => match log::start(args.log_format, &args.log_level) {
            Ok(()) => run::blocking(&args),
            Err(error) => {
                eprintln!("mail-egress-operator: {error}");
                ExitCode::from(2)
            }
        },
        Command::Login(args) => login::blocking(&args),
    }
}
