//! Towards the app: the listeners on localhost, and one session for each connection.

pub mod listen;
pub mod login;
pub mod session;
