//! References to Secrets of the operator's own namespace: the only place where a long-lived
//! credential may lie.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// One key of a Secret in the operator's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKey {
    /// The Secret's name, in the operator's namespace. It needs the label
    /// `mail-egress.io/credential: "true"`.
    #[schemars(schema_with = "crate::schema::object_name")]
    pub secret_name: String,
    /// The key that holds the value.
    #[schemars(schema_with = "crate::schema::secret_key")]
    pub key: String,
}

/// A certificate and its key in a Secret of the operator's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientCertificate {
    /// The Secret's name, in the operator's namespace: `tls.crt` and `tls.key`. It needs the label
    /// `mail-egress.io/credential: "true"`.
    #[schemars(schema_with = "crate::schema::object_name")]
    pub secret_name: String,
}
