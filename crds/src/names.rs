//! The names that several programs must agree on: labels, annotations, types, condition types.

/// The API group of the four kinds.
pub const GROUP: &str = "mail-egress.io";
/// The version of the four kinds.
pub const VERSION: &str = "v1alpha1";
/// The field manager of everything that the operator applies.
pub const FIELD_MANAGER: &str = "mail-egress";
/// The category that lists all four kinds: `kubectl get mail-egress`.
pub const CATEGORY: &str = "mail-egress";

/// On a pod: the MailSender of its namespace that it sends as.
pub const LABEL_SENDER: &str = "mail-egress.io/sender";
/// On a Secret in the operator's namespace: the operator may read it as a credential, if `"true"`.
pub const LABEL_CREDENTIAL: &str = "mail-egress.io/credential";
/// On a Secret in the operator's namespace: it keeps a token across restarts.
pub const LABEL_TOKEN: &str = "mail-egress.io/token";
/// On a Secret in the operator's namespace: it keeps the newest refresh token.
pub const LABEL_REFRESH_TOKEN: &str = "mail-egress.io/refresh-token";
/// On whatever the operator owns.
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of [`LABEL_MANAGED_BY`].
pub const MANAGED_BY: &str = "mail-egress";

/// On a credential Secret: when the credential ends (RFC 3339). Entra's token endpoint does not
/// tell it for a client secret.
pub const ANNOTATION_EXPIRES_AT: &str = "mail-egress.io/expires-at";
/// On a pod: the port on which the sidecar listens for SMTP.
pub const ANNOTATION_SMTP_PORT: &str = "mail-egress.io/smtp-port";
/// On a pod: the port on which the sidecar answers metrics and health.
pub const ANNOTATION_ADMIN_PORT: &str = "mail-egress.io/admin-port";
/// On a pod: the Secret of its namespace with the user name and password that the app must log in with
/// (of type `kubernetes.io/basic-auth`).
pub const ANNOTATION_AUTH_SECRET: &str = "mail-egress.io/auth-secret";
/// On a pod: the audience for which its own Kubernetes token is mounted into the sidecar, as an
/// EntraApp with `federated.subject: Workload` asks for it.
pub const ANNOTATION_FEDERATED_AUDIENCE: &str = "mail-egress.io/federated-audience";

/// On a pod: the volume of its own in which the sidecar keeps messages, for the delivery mode Spool.
pub const ANNOTATION_SPOOL_VOLUME: &str = "mail-egress.io/spool-volume";
/// On a pod: how much the sidecar may keep there.
pub const ANNOTATION_SPOOL_LIMIT: &str = "mail-egress.io/spool-limit";

/// The type of the Secret that carries a sender's configuration, state and token to its pods.
pub const SECRET_TYPE_SENDER: &str = "mail-egress.io/sender";
/// The type of the Secrets in which the operator keeps tokens in its own namespace.
pub const SECRET_TYPE_TOKEN: &str = "mail-egress.io/token";
/// What every sender's Secret name begins with.
pub const SENDER_SECRET_PREFIX: &str = "mail-egress-";
/// The longest `metadata.name` of a MailSender, in characters: with the prefix it is still a DNS
/// label.
pub const SENDER_NAME_MAX: usize = 50;

/// The name of the Secret of one MailSender, in the MailSender's namespace.
pub fn sender_secret(sender: &str) -> String {
    format!("{SENDER_SECRET_PREFIX}{sender}")
}

/// The types of the conditions that the operator sets.
pub mod condition {
    /// The platform's rules (allowedNamespaces, mailboxes, policy, suspend) let it be.
    pub const ACCEPTED: &str = "Accepted";
    /// Every object that it names exists and can be read.
    pub const RESOLVED_REFS: &str = "ResolvedRefs";
    /// A token is at hand that has not ended.
    pub const TOKEN_READY: &str = "TokenReady";
    /// The EntraApp's credential was found, is readable, and Entra took it.
    pub const CREDENTIAL_READY: &str = "CredentialReady";
    /// Every field that is set is honoured by this version.
    pub const SUPPORTED: &str = "Supported";
    /// What the first route cannot carry is sent by the fallback route.
    pub const FALLBACK_READY: &str = "FallbackReady";
    /// A credential that does not end by itself within hours lies in the namespace.
    pub const LONG_LIVED_CREDENTIAL: &str = "LongLivedCredential";
    /// The summary of the others.
    pub const READY: &str = "Ready";
    /// Of kstatus: nothing more will happen until somebody mends it.
    pub const STALLED: &str = "Stalled";
    /// Of kstatus: the operator is still at work on it.
    pub const RECONCILING: &str = "Reconciling";
}

/// The reason of [`condition::SUPPORTED`] where it is False.
pub const REASON_NOT_YET_HONOURED: &str = "NotYetHonoured";
