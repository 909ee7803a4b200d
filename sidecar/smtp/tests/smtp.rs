//! Both ends of SMTP, line by line.
//!
//! A transcript is read like a trace: `S:` is what the server says, `C:` what the client says,
//! `R:` octets without a line end, `E:`/`A:` what the caller is told, `D:` what the caller does,
//! `X:` what is then true. Each transcript is run many times: everything at once, octet by octet,
//! in pieces of every size, and split at every octet.
#![cfg(test)]

mod dialogue;
mod dialogue_faults;
mod dialogue_limits;
mod dialogue_login;
mod dialogue_message;
mod dialogue_password;
mod dsn;
mod pieces;
mod session;
mod session_auth;
mod session_chunks;
mod session_commands;
mod session_limits;
mod session_login;
mod session_message;
mod session_order;
mod session_policy;
mod session_postmaster;
mod session_random;
mod session_smuggling;
mod session_table;
mod session_time;
