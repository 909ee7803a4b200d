//! The MailSender that is served: its file, followed, and what the file allows at this moment.

pub mod announce;
pub mod claims;
pub mod clearance;
pub mod follow;
pub mod loaded;
pub mod refused;
pub mod tokens;
