//! Ports that the other containers leave free.

use k8s_openapi::api::core::v1::{ContainerPort, PodSpec};
use mail_egress_crds::names::{ANNOTATION_ADMIN_PORT, ANNOTATION_SMTP_PORT};

use super::Refusal;
use super::obstacles::others;

/// Where the app finds SMTP, unless an annotation says otherwise.
const SMTP_PORT: u16 = 2525;
/// Where Prometheus finds the sidecar, unless an annotation says otherwise or it is taken.
const ADMIN_PORT: u16 = 9587;
/// How many ports behind [`ADMIN_PORT`] are tried.
const ADMIN_CHOICES: u16 = 100;

/// The sidecar's ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ports {
    pub(super) smtp: u16,
    pub(super) admin: u16,
}

impl Ports {
    /// Takes what is asked for, and refuses it where it is taken. The SMTP port never moves by
    /// itself, for the app knows it; the admin port does, for Prometheus asks the pod.
    pub(super) fn choose(spec: &PodSpec, smtp: Option<u16>, admin: Option<u16>) -> Result<Self, Refusal> {
        let smtp = smtp.unwrap_or(SMTP_PORT);
        if let Some(container) = declared_by(spec, smtp) {
            return Err(taken(container, smtp, "SMTP", ANNOTATION_SMTP_PORT));
        }
        let admin = match admin {
            Some(port) if port == smtp => {
                return Err(Refusal::InvalidAnnotation {
                    annotation: ANNOTATION_ADMIN_PORT.to_owned(),
                    value: port.to_string(),
                    expected: "another port than the one for SMTP".to_owned(),
                });
            }
            Some(port) => match declared_by(spec, port) {
                Some(container) => return Err(taken(container, port, "its metrics", ANNOTATION_ADMIN_PORT)),
                None => port,
            },
            None => (ADMIN_PORT..ADMIN_PORT + ADMIN_CHOICES)
                .find(|port| *port != smtp && declared_by(spec, *port).is_none())
                .ok_or_else(|| taken("of the pod", ADMIN_PORT, "its metrics", ANNOTATION_ADMIN_PORT))?,
        };
        Ok(Self { smtp, admin })
    }
}

fn declared_by(spec: &PodSpec, port: u16) -> Option<&str> {
    let declares = |declared: &ContainerPort| {
        declared.container_port == i32::from(port)
            && declared.protocol.as_deref().is_none_or(|name| name == "TCP")
    };
    others(spec)
        .find(|container| container.ports.iter().flatten().any(declares))
        .map(|container| container.name.as_str())
}

fn taken(container: &str, port: u16, purpose: &'static str, annotation: &'static str) -> Refusal {
    Refusal::PortTaken { container: container.to_owned(), port, purpose, annotation }
}
