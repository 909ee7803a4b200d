//! Token requests to Microsoft Entra, what their errors mean, and the TLS, the dialling and the HTTP
//! that every upstream connection of the project shares.

mod answer;
pub mod backoff;
pub mod certificate;
mod client;
mod credential;
mod device;
pub mod dial;
mod error;
pub mod fault;
pub mod https;
mod jwt;
mod post;
mod request;
pub mod schedule;
mod signing_certificate;
pub mod tls;
mod token;

pub use client::{Limits, TokenClient};
pub use credential::{Credential, SignatureAlgorithm};
pub use device::{DeviceLogin, DeviceLoginRequest};
pub use error::{Retry, TokenError, Trace};
pub use jwt::{Claims, claims};
pub use request::{Endpoint, InvalidRequest, TokenRequest};
pub use signing_certificate::{BadCertificate, SigningCertificate};
pub use token::{Granted, Token};
