//! The limits and rules that several fields share, as pieces of schema.
//!
//! Every list and every string that a CEL rule walks is bounded here: the API server refuses a CRD
//! whose rules could cost too much.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// A DNS label (RFC 1123): a namespace's name.
const LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
/// A DNS subdomain (RFC 1123): most objects' names.
const SUBDOMAIN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// A host name (at most 63 characters a label) or an IPv4 address.
const HOST: &str =
    r"^[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?)*$";

const ADDRESS_RULE: &str = r#"self.matches(r"^[A-Za-z0-9!#$%&'+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'+/=?^_`{|}~-]+)*@[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?)+$") && self.indexOf('@') <= 64"#;
const PATTERNS_RULE: &str = r#"self.all(p, p.matches(r"^(\*|(\*|[^@*\s]+)@(\*\.)?[\w-]+(\.[\w-]+)*)$"))"#;
const PATTERNS_MESSAGE: &str = "each entry must be an address (billing@contoso.com), a domain (*@contoso.com), its subdomains (*@*.contoso.com), or * for every address";
const URL_RULE: &str = r#"self.matches(r"^https://([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$")"#;
const PROXY_RULE: &str = r#"self.matches(r"^(http|socks5)://([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$")"#;
const CA_RULE: &str = "self.contains('-----BEGIN CERTIFICATE-----') && !self.contains('PRIVATE KEY-----')";

/// The name of a cluster-scoped object or a Secret.
pub(crate) fn object_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": 253, "pattern": SUBDOMAIN})
}

/// A key of a Secret's data.
pub(crate) fn secret_key(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": 253, "pattern": "^[-._a-zA-Z0-9]+$"})
}

/// A host name or an IPv4 address; certificates are checked against it.
pub(crate) fn host(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": 253, "pattern": HOST})
}

/// A TCP port. The format is a signed one since the API server warns of unsigned ones.
pub(crate) fn port(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "format": "int32", "minimum": 1, "maximum": 65535})
}

/// Certificates in PEM that replace the public roots.
pub(crate) fn ca_bundle(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 65536,
        "x-kubernetes-validations": [{
            "rule": CA_RULE,
            "message": "caBundle must hold one or more certificates in PEM (-----BEGIN CERTIFICATE-----) and no private key",
        }],
    })
}

/// A base URL over TLS: no query, no fragment, no user.
pub(crate) fn https_url(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 512,
        "x-kubernetes-validations": [{
            "rule": URL_RULE,
            "message": "must be an https:// URL of host, optional port and path, without user, query or fragment: what is sent there holds credentials",
        }],
    })
}

/// A proxy: where it is, and how it is spoken to; no user and no password, which would lie open here.
pub(crate) fn proxy(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 300,
        "x-kubernetes-validations": [{
            "rule": PROXY_RULE,
            "message": "spec.proxy must be http://HOST:PORT or socks5://HOST:PORT, without user, password or path",
        }],
    })
}

/// The scope of a token request: RFC 6749 section 3.3.
pub(crate) fn scope(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": 512,
        "pattern": r"^[\x21\x23-\x5B\x5D-\x7E]+( [\x21\x23-\x5B\x5D-\x7E]+)*$",
    })
}

/// One mailbox: RFC 5321 section 4.1.2 without quoted local parts, address literals, and
/// characters beyond ASCII; no `*`, so that none can be mistaken for a pattern.
pub(crate) fn mailbox(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 254,
        "x-kubernetes-validations": [{
            "rule": ADDRESS_RULE,
            "message": "spec.mailbox must be one plain ASCII address such as billing@contoso.com: no display name, quotes, spaces, or letters beyond ASCII",
        }],
    })
}

/// Address patterns; see [`mail_egress_config::pattern::covers`].
pub(crate) fn patterns(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 128,
        "items": {"type": "string", "minLength": 1, "maxLength": 254},
        "x-kubernetes-list-type": "set",
        "x-kubernetes-validations": [{"rule": PATTERNS_RULE, "message": PATTERNS_MESSAGE}],
    })
}

/// As [`patterns`], with at least one.
pub(crate) fn some_patterns(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = patterns(generator);
    schema.insert("minItems".into(), 1.into());
    schema
}

/// As [`some_patterns`], within a list of at most 200: more would exceed the budget of a CEL rule.
pub(crate) fn nested_patterns(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = some_patterns(generator);
    schema.insert("maxItems".into(), 32.into());
    schema
}

/// Names of namespaces.
pub(crate) fn namespaces(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": 256,
        "items": {"type": "string", "minLength": 1, "maxLength": 63, "pattern": LABEL},
        "x-kubernetes-list-type": "set",
    })
}

/// Names of objects.
pub(crate) fn object_names(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": 256,
        "items": {"type": "string", "minLength": 1, "maxLength": 253, "pattern": SUBDOMAIN},
        "x-kubernetes-list-type": "set",
    })
}

/// Names of objects, or `*` for every one.
pub(crate) fn object_names_or_any(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": 256,
        "items": {
            "type": "string", "minLength": 1, "maxLength": 253,
            "pattern": r"^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)$",
        },
        "x-kubernetes-list-type": "set",
    })
}

/// Mail domains.
pub(crate) fn domains(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 256,
        "items": {"type": "string", "minLength": 1, "maxLength": 253, "pattern": HOST},
        "x-kubernetes-list-type": "set",
    })
}

/// Conditions: a map list keyed by type, so that each can be applied by its own manager. The limits
/// are those of Kubernetes' own `metav1.Condition`, which the generated types do not bring along.
pub(crate) fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 32,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": {
                    "type": "string", "minLength": 1, "maxLength": 316,
                    "description": "The condition's type.",
                },
                "status": {
                    "type": "string", "enum": ["True", "False", "Unknown"],
                    "description": "Whether it holds.",
                },
                "reason": {
                    "type": "string", "minLength": 1, "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
                    "description": "Why, in a word.",
                },
                "message": {
                    "type": "string", "maxLength": 32768,
                    "description": "Why, in a sentence, and how to mend it.",
                },
                "lastTransitionTime": {
                    "type": "string", "format": "date-time",
                    "description": "When the status last changed.",
                },
                "observedGeneration": {
                    "type": "integer", "format": "int64", "minimum": 0,
                    "description": "The generation of the spec that the condition speaks of.",
                },
            },
        },
    })
}

/// One of an enum's names. Without the enum's own description, which would take the place of the
/// field's.
pub(crate) fn choice<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = T::json_schema(generator);
    schema.remove("description");
    schema
}

/// A DNS label (RFC 1123).
pub(crate) fn label(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": 63, "pattern": LABEL})
}

/// A user name of an SMTP login: printable, since it is framed by SASL.
pub(crate) fn username(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": 512, "pattern": r"^[^\x00-\x1F\x7F]+$"})
}
