//! One way out, with what is made of it once.

use std::sync::Arc;

use mail_egress_config::{ClientCertificate, LargeMessages, Route, Token};
use mail_egress_diagnosis::{Diagnosis, local, reason};
use mail_egress_entra::dial::{InvalidProxy, Proxy};
use mail_egress_entra::tls::{self, TlsError};
use mail_egress_graph::{Unfit, fits};
use mail_egress_smtp::Recipient;
use rustls::ClientConfig;
use secrecy::ExposeSecret;

use super::Generation;
use crate::message::outgoing::unfit;
use crate::message::refusal::Refusal;
use crate::sender::claims;

/// What of a message decides by which way it can leave.
#[derive(Clone, Copy, Debug)]
pub struct Shape<'a> {
    /// Whom it is for.
    pub to: &'a [Recipient],
    /// How large it is.
    pub octets: u64,
    /// The Bcc field that it needs by Graph, or why it cannot go that way; `None` where that was not
    /// looked at.
    pub bcc: Option<&'a Result<String, Unfit>>,
}

/// One way out. Its `Debug` shows no secret.
#[derive(Debug)]
pub struct Way {
    /// What the file says of it.
    pub route: Route,
    /// The token that the file carries for it.
    pub token: Option<Token>,
    /// TLS towards the server, or why there is none. Kept from file to file while what it is made of
    /// stays, so that TLS sessions are resumed.
    pub tls: Result<Arc<ClientConfig>, Diagnosis>,
    /// The proxy to go through, where the route names one; or why it cannot be used.
    pub proxy: Result<Option<Proxy>, Diagnosis>,
    /// Why that token is not shown to the server, if it is not.
    pub misplaced: Option<Diagnosis>,
    /// The same from file to file while nothing but the tokens change.
    pub generation: Generation,
    /// Whether its token is another than before.
    pub(super) brings_token: bool,
}

impl Way {
    /// `before` is the same way in the file before this one; `stays` tells that the files differ in
    /// their tokens alone.
    pub(super) fn new(route: Route, token: Option<Token>, before: Option<&Self>, stays: bool) -> Self {
        let tls = match before {
            Some(before) if secured_alike(&before.route, &route) => before.tls.clone(),
            Some(_) | None => secured(&route).map(Arc::new),
        };
        let generation = match before {
            Some(before) if stays => before.generation.clone(),
            Some(_) | None => Generation::default(),
        };
        let value = |token: &Option<Token>| token.as_ref().map(|it| it.value.expose_secret().to_owned());
        let brings_token = token.is_some() && value(&token) != before.and_then(|it| value(&it.token));
        let addressed = token.as_ref().and_then(|it| claims::addressed(it.value.expose_secret()));
        let misplaced = addressed.and_then(|it| it.misplaced(&route));
        let proxy = route.proxy().map(str::parse).transpose();
        let proxy = proxy.map_err(|error: InvalidProxy| {
            local(reason::PROXY_INVALID)
                .with_words(&format!("proxy of the route {}: it {error}", route.name()))
        });
        Self { route, token, tls, proxy, misplaced, generation, brings_token }
    }

    /// Whether the way out can ask for delivery status notifications.
    pub(super) fn speaks_smtp(&self) -> bool {
        self.route.by_smtp().is_ok()
    }

    /// Whether such a message can leave by it, as far as that is known before anything is dialled.
    pub(crate) fn carries(&self, shape: &Shape<'_>) -> Result<(), Refusal> {
        match self.route.by_smtp() {
            Ok(smtp) => internal(&smtp.accepted_domains, shape.to),
            Err(graph) => by_graph(graph.large_messages, shape).map_err(|why| unfit(&why)),
        }
    }
}

/// Whether all of them are of these domains, where there are any.
fn internal(domains: &[String], to: &[Recipient]) -> Result<(), Refusal> {
    let is_own =
        |it: &&Recipient| domains.iter().any(|domain| domain.eq_ignore_ascii_case(it.address.domain()));
    match to.iter().find(|it| !domains.is_empty() && !is_own(it)) {
        Some(foreign) => Err(Refusal::from(local(reason::RECIPIENT_NOT_INTERNAL))
            .naming(format!("It is about <{}>", foreign.address))),
        None => Ok(()),
    }
}

fn by_graph(large: LargeMessages, shape: &Shape<'_>) -> Result<(), Unfit> {
    let added = match shape.bcc {
        Some(Ok(bcc)) => bcc.len() as u64,
        Some(Err(why)) => return Err(why.clone()),
        None => 0,
    };
    match large {
        LargeMessages::Refuse => fits(shape.octets + added),
        LargeMessages::Draft => Ok(()),
    }
}

/// How the server is judged, and what is shown to it.
fn secured(route: &Route) -> Result<ClientConfig, Diagnosis> {
    let certificate = certificate(route);
    let shown = certificate.map(|it| tls::ClientCertificate { certificates: &it.certificates, key: &it.key });
    tls::client_config_with(route.ca_bundle(), shown).map_err(|error| match error {
        TlsError::ClientCertificate(invalid) => {
            local(reason::CLIENT_CERTIFICATE_INVALID).with_words(&invalid.to_string())
        }
        TlsError::NoCertificate
        | TlsError::InvalidCertificate { .. }
        | TlsError::TooLong { .. }
        | TlsError::Provider(_) => local(reason::CA_BUNDLE_INVALID).with_words(&format!("caBundle: {error}")),
    })
}

fn certificate(route: &Route) -> Option<&ClientCertificate> {
    route.by_smtp().ok()?.client_certificate.as_ref()
}

fn secured_alike(one: &Route, other: &Route) -> bool {
    one.ca_bundle() == other.ca_bundle() && certificate(one) == certificate(other)
}
