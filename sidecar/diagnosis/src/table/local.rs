//! What we find ourselves, before or without anybody's answer.

use crate::row::{
    Class::{self, Mendable, Permanent, Transient, Uncertain},
    Retry::{self, BackOff, Never, WhenMended},
    Row,
    When::Local,
};

const fn row(
    reason: &'static str,
    class: Class,
    retry: Retry,
    cause: &'static str,
    fix: &'static str,
) -> Row {
    Row { when: Local, reason, class, retry, cause, fix }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $value:literal, $class:ident, $retry:ident, $cause:literal, $fix:literal;)*) => {
        $($(#[$doc])* pub const $name: &str = $value;)*
        pub(crate) const ROWS: &[Row] = &[$(row($name, $class, $retry, $cause, $fix)),*];
    };
}

reasons! {
    // the sender and what it refers to
    /// No configuration has reached the sidecar.
    MAIL_SENDER_MISSING = "MailSenderMissing", Mendable, WhenMended,
        "this pod has no MailSender", "create the MailSender that the pod's label names, in the pod's namespace";
    /// `spec.suspend` of the MailSender.
    SENDER_SUSPENDED = "SenderSuspended", Mendable, WhenMended,
        "the MailSender is suspended", "set its spec.suspend to false";
    /// `spec.suspend` of the EntraApp.
    APP_SUSPENDED = "AppSuspended", Mendable, WhenMended,
        "the EntraApp is suspended", "ask the platform team, or set its spec.suspend to false";
    /// `spec.entraApp` names nothing.
    ENTRA_APP_NOT_FOUND = "EntraAppNotFound", Mendable, WhenMended,
        "the EntraApp does not exist", "correct spec.entraApp of the MailSender, or create the EntraApp: kubectl get entraapps";
    /// The route needs an EntraApp.
    ENTRA_APP_REQUIRED = "EntraAppRequired", Mendable, WhenMended,
        "the route needs an EntraApp and the MailSender names none", "set spec.entraApp of the MailSender: kubectl get entraapps";
    /// `spec.route` names nothing.
    MAIL_ROUTE_NOT_FOUND = "MailRouteNotFound", Mendable, WhenMended,
        "the MailRoute does not exist", "correct spec.route of the MailSender, or create the MailRoute: kubectl get mailroutes";
    /// The route's kind is not built yet.
    ROUTE_NOT_SUPPORTED = "RouteNotSupported", Mendable, WhenMended,
        "this version cannot send by this kind of route", "upgrade the operator, or use a MailRoute of a kind that it knows";
    /// The EntraApp and the route are of different Microsoft clouds.
    CLOUD_MISMATCH = "CloudMismatch", Mendable, WhenMended,
        "the EntraApp and the MailRoute are of different Microsoft clouds", "give both the same cloud";
    /// The credential's kind is not built yet.
    CREDENTIAL_NOT_SUPPORTED = "CredentialNotSupported", Mendable, WhenMended,
        "this version cannot use this kind of credential", "upgrade the operator, or set exactly one kind of credential that it knows";
    /// The EntraApp admits other namespaces.
    NAMESPACE_NOT_ALLOWED = "NamespaceNotAllowed", Mendable, WhenMended,
        "the EntraApp does not admit this namespace", "ask the platform team to add it to spec.allowedNamespaces of the EntraApp";
    /// The EntraApp admits this namespace with other mailboxes.
    MAILBOX_NOT_ALLOWED = "MailboxNotAllowed", Mendable, WhenMended,
        "the EntraApp does not admit this mailbox for this namespace", "use one that it admits, or ask the platform team to add it to spec.allowedNamespaces of the EntraApp";
    /// A Secret of our name and another type is there.
    SECRET_CONFLICT = "SecretConflict", Mendable, WhenMended,
        "a Secret of this name and another type is in the way", "delete or rename that Secret";
    /// The cluster refused the operator's write of the Secret.
    SECRET_NOT_WRITTEN = "SecretNotWritten", Transient, BackOff,
        "the operator could not write the sender's Secret", "read the API server's words; check the operator's RBAC and the namespace's quotas";

    // the credential
    /// The credential Secret is not there.
    CREDENTIAL_NOT_FOUND = "CredentialNotFound", Mendable, WhenMended,
        "the Secret with the credential does not exist", "create it in the operator's namespace";
    /// The credential Secret lacks our label.
    CREDENTIAL_NOT_LABELLED = "CredentialNotLabelled", Mendable, WhenMended,
        "the Secret with the credential is not labelled for mail-egress", "kubectl label secret NAME -n OPERATOR_NAMESPACE mail-egress.io/credential=true";
    /// The credential Secret lacks the key, or it is empty or not text.
    CREDENTIAL_INVALID = "CredentialInvalid", Mendable, WhenMended,
        "the Secret with the credential lacks a usable value under its key", "write the client secret's value, as text, under the key that spec.credential.clientSecret.key names";

    /// The route takes a client secret as password.
    CLIENT_SECRET_REQUIRED = "ClientSecretRequired", Mendable, WhenMended,
        "the route takes a client secret as password, and the EntraApp has another kind of credential", "let the MailSender name an EntraApp with spec.credential.clientSecret, of an app registration that serves nothing else";
    /// An app's secret would lie in a namespace, and others get tokens by it.
    ENTRA_APP_NOT_DEDICATED = "EntraAppNotDedicated", Mendable, WhenMended,
        "the EntraApp's client secret would lie in this namespace, and others get tokens by the same secret", "use an app registration and an EntraApp that serve this route alone";
    /// A password for Exchange Online, and no exception.
    EXCHANGE_ONLINE_BASIC = "ExchangeOnlineBasic", Mendable, WhenMended,
        "the route logs in to Exchange Online by a password, and no exception allows it", "use a MailRoute of the kind exchangeOnline with an EntraApp; or, for a while, ask the platform team for an entry with the rule ExchangeOnlineBasic in spec.exceptions of a MailPolicy";
    /// A refresh token is of one mailbox, and the EntraApp admits several.
    REFRESH_TOKEN_FOR_SEVERAL = "RefreshTokenForSeveral", Mendable, WhenMended,
        "a refresh token is good for the one mailbox that was signed in to, and the EntraApp admits several", "name that one mailbox, and no pattern, in every entry of spec.allowedNamespaces of the EntraApp";
    /// The pod's own token is exchanged, by its sidecar.
    TOKEN_OF_WORKLOAD = "TokenOfWorkload", Mendable, WhenMended,
        "the EntraApp's tokens are had by each pod's sidecar for the pod's own token, so the operator asks for none", "use an EntraApp with another credential for this route, or with federated.subject Operator";
    /// The API server refused the operator a token of its own.
    OWN_TOKEN_REFUSED = "OwnTokenRefused", Mendable, BackOff,
        "the API server gave the operator no token of its own to exchange", "let the operator create serviceaccounts/token of its own service account (operator/deploy/10-access.yaml), and check its --service-account";
    /// The API server did not answer.
    OWN_TOKEN_UNAVAILABLE = "OwnTokenUnavailable", Transient, BackOff,
        "the operator could not get a token of its own to exchange", "wait: it is asked for again; if it stays, check the API server";
    /// The token's end is too near for the route's server.
    TOKEN_ENDS_SOON = "TokenEndsSoon", Transient, BackOff,
        "the token ends too soon for the route's server, and no newer one came", "wait: it is renewed; if it stays: kubectl describe mailsender";

    // the way to Entra
    /// `spec.endpoint.loginURL` cannot be used.
    LOGIN_URL_INVALID = "LoginUrlInvalid", Mendable, WhenMended,
        "the login URL cannot be used", "set spec.endpoint.loginURL of the EntraApp to an https URL without user, query or fragment";
    /// A CA bundle that holds no usable certificate.
    CA_BUNDLE_INVALID = "CaBundleInvalid", Mendable, WhenMended,
        "the CA bundle cannot be used", "put PEM certificates, and nothing else, into caBundle";
    /// A route's client certificate or its key cannot be used.
    CLIENT_CERTIFICATE_INVALID = "ClientCertificateInvalid", Mendable, WhenMended,
        "the route's client certificate cannot be used", "put the certificate into tls.crt and its key into tls.key, both PEM, of the Secret that the MailRoute names";
    /// The relay's TLS says no to the client certificate, or to there being none.
    CLIENT_CERTIFICATE_REFUSED = "ClientCertificateRefused", Mendable, BackOff,
        "the relay does not take the route's client certificate, or wants one", "check its end and whether the relay trusts its issuer (openssl x509 -noout -enddate -issuer), and name its Secret in clientCertificate of the MailRoute";
    /// DNS gave no address for the login host.
    ENTRA_NAME_NOT_FOUND = "EntraNameNotFound", Transient, BackOff,
        "the login host's name does not resolve", "check spec.endpoint.loginURL of the EntraApp and the cluster's DNS";
    /// Nothing answers at the login host.
    ENTRA_UNREACHABLE = "EntraUnreachable", Transient, BackOff,
        "the login host cannot be reached", "let the operator reach it: network policy, firewall, proxy";
    /// The login host does not answer in time.
    ENTRA_TIMEOUT = "EntraTimeout", Transient, BackOff,
        "the login host did not answer in time", "wait: it is asked again; if it stays, check the way there: firewall, proxy";
    /// The login host's certificate is not believed.
    ENTRA_TLS_FAILED = "EntraTlsFailed", Mendable, BackOff,
        "the login host's certificate is not to be believed", "check spec.endpoint.loginURL and spec.endpoint.caBundle of the EntraApp, and whether a proxy opens TLS";
    /// Nothing answers at the token host of another provider, in time or at all.
    TOKEN_HOST_UNREACHABLE = "TokenHostUnreachable", Transient, BackOff,
        "the provider's token host cannot be reached", "check the provider's token URL, and let it be reached: DNS, network policy, firewall, proxy";
    /// The token host's certificate is not believed.
    TOKEN_HOST_TLS_FAILED = "TokenHostTlsFailed", Mendable, BackOff,
        "the certificate of the provider's token host is not to be believed", "check the provider's token URL and its CA bundle, and whether a proxy opens TLS";
    /// A 200 that holds no usable token.
    TOKEN_UNUSABLE = "TokenUnusable", Mendable, BackOff,
        "the login host's answer holds no usable token", "check spec.endpoint.loginURL of the EntraApp, and whether a proxy answers in Entra's place";

    // the sidecar's own state
    /// The file that says what to do cannot be read, and there was none before.
    CONFIGURATION_INVALID = "ConfigurationInvalid", Mendable, WhenMended,
        "the sidecar's configuration cannot be used", "correct the field that is named; where the operator wrote the file, bring operator and sidecar to versions that understand each other";
    /// No token has been issued yet.
    TOKEN_MISSING = "TokenMissing", Transient, BackOff,
        "there is no token yet", "wait a moment; if it stays: kubectl describe mailsender";
    /// The token is past its end.
    TOKEN_EXPIRED = "TokenExpired", Mendable, BackOff,
        "the token has expired and no newer one came", "kubectl describe mailsender, and check the clock of the node";
    /// The token's audience is that of another route.
    TOKEN_FOR_ANOTHER_ROUTE = "TokenForAnotherRoute", Mendable, WhenMended,
        "the token is for another server than this route's, so it was not shown to it", "ask for it with the route's scope: spec.endpoint.exchangeScope or graphScope of the EntraApp, or tokenSource.entra.scope of sender.json (https://outlook.office365.com/.default for Exchange Online, https://graph.microsoft.com/.default for Graph)";
    /// All upstream connections are in use.
    UPSTREAM_SLOTS_BUSY = "UpstreamSlotsBusy", Transient, BackOff,
        "all connections to the relay are in use", "try again in a few seconds";
    /// The sidecar holds as many message bytes as it may.
    MEMORY_BUDGET = "MemoryBudget", Transient, BackOff,
        "the sidecar holds as much mail as it may", "try again in a few seconds, or raise the sidecar's memory";
    /// A draft, and a memory budget that is never large enough for it.
    DRAFT_BEYOND_MEMORY = "DraftBeyondMemory", Mendable, WhenMended,
        "the sidecar has not enough memory to make a draft of this message", "raise the sidecar's memory (--memory-budget is to be twice the largest message and 7 MB more; in a pod it is half of the annotation mail-egress.io/memory-limit), or name a fallbackRoute in the MailSender in place of spec.graph.largeMessages: Draft";
    /// The sidecar holds as many message bytes on disk as it may.
    SPILL_LIMIT = "SpillLimit", Transient, BackOff,
        "the sidecar holds as much mail on disk as it may", "try again in a few seconds, or raise --spill-limit and the volume behind --spill-dir";
    /// The folder for large messages is missing or cannot be written.
    SPILL_FOLDER_UNUSABLE = "SpillFolderUnusable", Mendable, WhenMended,
        "the sidecar has no folder for a message of this size", "let --spill-dir name a folder on a volume that the sidecar can write, or raise --memory-budget";
    /// The disk refused a message, or does not give it back.
    SPILL_DISK_FAILED = "SpillDiskFailed", Transient, BackOff,
        "the disk for large messages is full or does not work", "free or enlarge the volume behind --spill-dir, and read the sidecar's log";
    // the spool
    /// Spool mode, and the sidecar was given no folder for it.
    SPOOL_MISSING = "SpoolMissing", Mendable, WhenMended,
        "the MailSender wants messages spooled, and this pod has no volume for that", "name one of the pod's volumes in its annotation mail-egress.io/spool-volume (without Kubernetes: --spool-dir), or set spec.delivery.mode of the MailSender to Direct";
    /// The spool's volume goes with the pod, and nobody said that mail may be lost with it.
    SPOOL_WOULD_BE_LOST = "SpoolWouldBeLost", Mendable, WhenMended,
        "the spool's volume goes with the pod, and unsent mail with it", "let mail-egress.io/spool-volume name a persistent volume claim, or set spec.delivery.acceptLoss of the MailSender to true (without Kubernetes: --spool-lasting where the folder stays)";
    /// The spool's folder cannot be used; the words say why.
    SPOOL_UNUSABLE = "SpoolUnusable", Mendable, WhenMended,
        "the spool cannot be used", "mend what is named; the sidecar looks again every few seconds";
    /// The spool holds as much as it may, or its volume is full.
    SPOOL_FULL = "SpoolFull", Transient, BackOff,
        "the spool is full", "wait until mail has left, remove dead letters, or raise mail-egress.io/spool-limit and the volume";
    /// The disk did not take a message or a mark.
    SPOOL_DISK_FAILED = "SpoolDiskFailed", Transient, BackOff,
        "the spool's disk does not work", "read the sidecar's log, and check the volume";
    /// A spooled file is not what was written.
    SPOOL_DAMAGED = "SpoolDamaged", Permanent, Never,
        "the message's file in the spool is damaged, so it is never sent", "look at the file among the dead letters, and check the volume";
    /// A spooled message reached its age unsent.
    SPOOL_EXPIRED = "SpoolExpired", Permanent, Never,
        "the message was given up at its age", "mend what the last attempt says, and send it again from the dead letters; or raise spec.delivery.maxAgeSeconds of the MailSender";
    // the app's own login
    /// MAIL before AUTH, where the app must log in.
    APP_NOT_LOGGED_IN = "AppNotLoggedIn", Mendable, WhenMended,
        "the app did not log in, and this sidecar asks for a login", "let the app use AUTH PLAIN or AUTH LOGIN with the username and password of the Secret that the pod's annotation mail-egress.io/auth-secret names (without Kubernetes: the files in --auth-dir), or remove the annotation";
    /// Another user name or password than in the Secret.
    APP_LOGIN_WRONG = "AppLoginWrong", Mendable, WhenMended,
        "the app's user name or password is not the one that this sidecar asks for", "let the app use the username and password of the Secret that the pod's annotation mail-egress.io/auth-secret names (without Kubernetes: the files in --auth-dir)";
    /// The user name and password to compare with cannot be read.
    APP_LOGIN_UNREADABLE = "AppLoginUnreadable", Mendable, WhenMended,
        "the sidecar cannot read the user name and password that it asks for", "create the Secret that the pod's annotation mail-egress.io/auth-secret names, of type kubernetes.io/basic-auth with the keys username and password, in the pod's namespace (without Kubernetes: these two files in --auth-dir)";
    /// Too many logins wait for their check, since many before them were wrong.
    APP_LOGINS_TOO_MANY = "AppLoginsTooMany", Transient, BackOff,
        "too many logins at once, many of them wrong", "find the container of the pod that uses a wrong password, and try again";
    // the limits
    /// As many messages were sent in the last minute as are allowed.
    MESSAGES_PER_MINUTE = "MessagesPerMinute", Transient, BackOff,
        "the sender has used up its messages of this minute", "try again at the time that is named";
    /// As many messages were sent in the last hour as are allowed.
    MESSAGES_PER_HOUR = "MessagesPerHour", Transient, BackOff,
        "the sender has used up its messages of this hour", "try again at the time that is named";
    /// As many recipients were sent to in the last 24 hours as are allowed.
    RECIPIENTS_PER_DAY = "RecipientsPerDay", Transient, BackOff,
        "the sender has used up its recipients of 24 hours", "try again at the time that is named";
    /// More recipients than are allowed in a day.
    RECIPIENTS_BEYOND_A_DAY = "RecipientsBeyondADay", Permanent, Never,
        "the message has more recipients than the sender may reach in a day", "send it to fewer, or raise limits.recipientsPerDay";
    /// The relay complained of the pace.
    SLOWED_DOWN = "SlowedDown", Transient, BackOff,
        "the relay wants mail more slowly", "try again at the time that is named";
    /// The relay wants nothing for a while.
    PAUSED_BY_RELAY = "PausedByRelay", Transient, BackOff,
        "the relay wants no mail for a while, or the mailbox's quota is used up", "try again at the time that is named";
    /// The sidecar is ending.
    SHUTTING_DOWN = "ShuttingDown", Transient, BackOff,
        "the pod is ending", "try again from the pod that follows";

    // the proxy on the way, to Entra or to the relay
    /// What names the proxy names none that can be used.
    PROXY_INVALID = "ProxyInvalid", Mendable, WhenMended,
        "the proxy is not named as it must be", "write it as http://HOST:PORT or socks5://HOST:PORT, without user and password: in spec.proxy of the MailRoute for SMTP, in HTTPS_PROXY for tokens and Graph";
    /// Nothing answers at the proxy, or it closes, or it takes too long.
    PROXY_UNREACHABLE = "ProxyUnreachable", Transient, BackOff,
        "the proxy cannot be reached", "check host and port of the proxy (spec.proxy of the MailRoute for SMTP, HTTPS_PROXY for tokens and Graph), and let the pod reach it: network policy, firewall";
    /// The proxy's rules do not let us through.
    PROXY_REFUSED = "ProxyRefused", Mendable, BackOff,
        "the proxy does not let this connection through", "let the proxy's administrator allow host and port that are named: many proxies allow CONNECT to port 443 alone; or put the host into NO_PROXY";
    /// 407, or SOCKS5 without a method that we offer.
    PROXY_WANTS_LOGIN = "ProxyWantsLogin", Mendable, BackOff,
        "the proxy wants a login, and mail-egress shows no password without TLS", "let the proxy admit the pod by its address";
    /// The proxy cannot get to the peer.
    PROXY_FOUND_NO_WAY = "ProxyFoundNoWay", Transient, BackOff,
        "the proxy cannot reach the host", "check the host and port that are named, and the proxy's own name servers and way out";
    /// What answers is no proxy of this kind.
    PROXY_PROTOCOL = "ProxyProtocol", Mendable, BackOff,
        "what answers is no proxy of this kind", "check whether the proxy speaks HTTP CONNECT (http://) or SOCKS5 (socks5://) at this port, without TLS";

    // the way to the relay
    /// DNS gave no address for the relay.
    UPSTREAM_NAME_NOT_FOUND = "UpstreamNameNotFound", Transient, BackOff,
        "the relay's name does not resolve", "check the host of the MailRoute and the cluster's DNS";
    /// The domain has no MX record, or says by it that it takes no mail (RFC 7505).
    UPSTREAM_MX_MISSING = "UpstreamMxMissing", Mendable, BackOff,
        "the domain has no MX record to send to", "set spec.directSend.host of the MailRoute to the MX that the Microsoft 365 admin center shows for the domain, or check the domain's name and the cluster's DNS";
    /// The MX records name none of Microsoft's hosts.
    UPSTREAM_MX_FOREIGN = "UpstreamMxForeign", Mendable, BackOff,
        "the domain's MX is not Microsoft's, so nothing was sent there", "set spec.directSend.host of the MailRoute to the MX that the Microsoft 365 admin center shows for the domain, such as contoso-com.mail.protection.outlook.com";
    /// Nothing answers at the relay.
    UPSTREAM_UNREACHABLE = "UpstreamUnreachable", Transient, BackOff,
        "the relay cannot be reached", "let the pod reach it: network policy, firewall, blocked port 587 or 25";
    /// The relay does not answer in time.
    UPSTREAM_TIMEOUT = "UpstreamTimeout", Transient, BackOff,
        "the relay did not answer in time", "try again later; if it stays, check the way there: network policy, firewall";
    /// The relay answered 4yz in a way that no other row knows.
    UPSTREAM_BUSY = "UpstreamBusy", Transient, BackOff,
        "the relay cannot take the message now", "try again later";
    /// The relay ended the connection before the final dot.
    UPSTREAM_CLOSED = "UpstreamClosed", Transient, BackOff,
        "the relay closed the connection", "try again later";
    /// The relay broke the protocol.
    UPSTREAM_PROTOCOL = "UpstreamProtocol", Transient, BackOff,
        "the relay did not speak SMTP as it should", "check the host and port of the MailRoute, and whether a proxy sits between";
    /// STARTTLS was not offered.
    STARTTLS_NOT_OFFERED = "StartTlsNotOffered", Mendable, BackOff,
        "the relay did not offer STARTTLS, so no credential was sent", "check the host and port of the MailRoute, and whether a firewall strips STARTTLS";
    /// Plaintext bytes came behind the 220 to STARTTLS.
    PLAINTEXT_INJECTED = "PlaintextInjected", Mendable, BackOff,
        "bytes came in plaintext behind the answer to STARTTLS, so no credential was sent", "look for an attacker or a broken proxy on the way to the relay";
    /// The relay's certificate is from an issuer that is not trusted.
    UPSTREAM_CERTIFICATE_UNTRUSTED = "UpstreamCertificateUntrusted", Mendable, BackOff,
        "the relay's certificate is from an issuer that is not trusted, so no credential was sent", "check the host and caBundle of the MailRoute, and whether a proxy opens TLS";
    /// The relay's certificate is for another name.
    UPSTREAM_CERTIFICATE_NAME = "UpstreamCertificateName", Mendable, BackOff,
        "the relay's certificate is for another name, so no credential was sent", "set the host of the MailRoute to a name in the certificate";
    /// The relay's certificate is outside its time.
    UPSTREAM_CERTIFICATE_EXPIRED = "UpstreamCertificateExpired", Mendable, BackOff,
        "the relay's certificate has expired or is not valid yet, so no credential was sent", "renew it at the relay, and check the clock of the node";
    /// TLS failed in another way.
    UPSTREAM_TLS_FAILED = "UpstreamTlsFailed", Mendable, BackOff,
        "TLS with the relay failed, so no credential was sent", "check the host and port of the MailRoute; the relay must speak TLS 1.2 or newer";
    /// The relay does not offer XOAUTH2.
    XOAUTH2_NOT_OFFERED = "Xoauth2NotOffered", Mendable, BackOff,
        "the relay does not offer XOAUTH2", "check the host of the MailRoute: it must take OAuth tokens";
    /// The answer to the final dot was lost.
    DELIVERY_UNCERTAIN = "DeliveryUncertain", Uncertain, Never,
        "the relay's answer was lost after the whole message was sent: it may have been delivered", "look for the Message-ID in the message trace before you send it again";
    /// The relay refused us before it heard of the message, in a way that no other row knows.
    RELAY_REFUSED = "RelayRefused", Mendable, BackOff,
        "the relay refused the connection", "read the relay's words; check the host of the MailRoute, and ask the administrator of the relay";
    /// The relay refused the sender in a way that no other row knows.
    SENDER_REFUSED = "SenderRefused", Mendable, WhenMended,
        "the relay refused the sender's address", "let the app use the mailbox's own address as sender";
    /// The relay refused a recipient in a way that no other row knows.
    RECIPIENT_REFUSED = "RecipientRefused", Permanent, Never,
        "the relay refused a recipient", "correct the recipient's address";
    /// The relay refused in a way that no other row knows.
    UPSTREAM_REFUSED = "UpstreamRefused", Permanent, Never,
        "the relay refused the message", "read the relay's words; correct the message";

    /// No mechanism for a password is offered.
    PASSWORD_LOGIN_NOT_OFFERED = "PasswordLoginNotOffered", Mendable, BackOff,
        "the relay offers no login by password (PLAIN or LOGIN)", "check host and port of the MailRoute: submission is on 587 (StartTLS) or 465 (Implicit)";
    /// The password or token does not fit into an AUTH line.
    CREDENTIAL_TOO_LONG = "CredentialTooLong", Mendable, WhenMended,
        "the password or token is too long for the login", "use a shorter one: a login line has at most 12288 octets";
    /// A credential, and a route without TLS.
    CREDENTIAL_IN_PLAINTEXT = "CredentialInPlaintext", Mendable, WhenMended,
        "the route is not protected by TLS, so no credential was sent", "set tls of the MailRoute to StartTLS or Implicit, or remove its credential";

    // what this message can never achieve
    /// A recipient outside the domains that the route takes.
    RECIPIENT_NOT_INTERNAL = "RecipientNotInternal", Permanent, Never,
        "the route takes recipients of the tenant's own domains only", "use another MailRoute for this recipient, or add its domain to spec.acceptedDomains of the MailRoute if it is the tenant's own";
    /// More than one Graph request takes.
    MESSAGE_TOO_LARGE_FOR_GRAPH = "MessageTooLargeForGraph", Permanent, Never,
        "the message is larger than one request of Microsoft Graph takes", "send a smaller message, name a fallbackRoute in the MailSender, or set spec.graph.largeMessages of the MailRoute to Draft";
    /// 8-bit content, and the relay does not offer 8BITMIME.
    EIGHT_BIT_NOT_OFFERED = "EightBitNotOffered", Permanent, Never,
        "the message has 8-bit content and the relay does not offer 8BITMIME", "let the app encode it as quoted-printable or base64, or use a relay that offers it";
    /// UTF-8 addresses or headers, and the relay does not offer SMTPUTF8.
    SMTPUTF8_NOT_OFFERED = "SmtpUtf8NotOffered", Permanent, Never,
        "the message needs SMTPUTF8 and the relay does not offer it", "use ASCII addresses and headers, or a relay that offers it";
    /// RET, ENVID, NOTIFY or ORCPT, and the relay does not offer DSN.
    DSN_NOT_OFFERED = "DsnNotOffered", Permanent, Never,
        "the app asks for delivery status notifications (RET, ENVID, NOTIFY or ORCPT) and the relay does not offer DSN", "let the app send without them, or use a relay that offers DSN";
    /// A bare CR or LF, and the sender refuses such.
    BARE_LINE_ENDING = "BareLineEnding", Permanent, Never,
        "the message has a bare CR or LF, and the MailSender refuses such", "let the app end its lines with CRLF, or set spec.delivery.bareLineEndings to Normalize";
    /// A line of the message beyond the cap of the sidecar.
    TEXT_LINE_TOO_LONG = "TextLineTooLong", Permanent, Never,
        "the message has a line of more than 1 MiB (1048576 octets)", "let the app break its lines, or encode the text as quoted-printable or base64";
    /// Larger than the route takes.
    MESSAGE_TOO_LARGE = "MessageTooLarge", Permanent, Never,
        "the message is larger than the route takes", "send a smaller message";

    // what Graph cannot carry, since it sends to whom the header names
    /// To, Cc or Bcc could be read in two ways.
    HEADER_RECIPIENTS_UNCLEAR = "HeaderRecipientsUnclear", Permanent, Never,
        "the message's To, Cc or Bcc could be read in more than one way, and Graph sends to whom they name", "let the app write plain addresses there (RFC 5322 section 3.4), name a fallbackRoute in the MailSender, or use an SMTP route";
    /// To, Cc or Bcc names somebody who is not in the envelope.
    HEADER_RECIPIENT_NOT_MEANT = "HeaderRecipientNotMeant", Permanent, Never,
        "the message's To, Cc or Bcc names an address that the app gave no RCPT TO for, and Graph would send to it", "let the app give every address in its header as a recipient too, name a fallbackRoute in the MailSender, or use an SMTP route, which sends to the envelope alone";
    /// It was sent on by a person, in the way of RFC 5322 section 3.6.6.
    RESENT_NOT_CARRIED = "ResentNotCarried", Permanent, Never,
        "the message has Resent-To, Resent-Cc or Resent-Bcc, and it is not known whom Graph would send it to", "let the app send it without them, name a fallbackRoute in the MailSender, or use an SMTP route";
    /// It is signed with a Bcc of its own, and there are recipients whom no header names.
    SIGNED_BCC_NOT_EXTENDED = "SignedBccNotExtended", Permanent, Never,
        "the message is signed, has a Bcc header, and has recipients whom no header names: Graph needs them in Bcc, which is not changed in a signed message", "let the app sign without a Bcc header, name a fallbackRoute in the MailSender, or use an SMTP route";
    /// Too large for one request, and a draft would change it.
    NOT_REBUILT = "NotRebuilt", Permanent, Never,
        "the message is too large for one request to Graph, and a draft, which is built anew from its parts, would break it", "send a smaller message, or set spec.graph.largeMessages of the MailRoute to Refuse and name a fallbackRoute by SMTP in the MailSender";

    // the sender's own rules
    /// `MAIL FROM:<>`, and `allowNullSender` is not set.
    NULL_SENDER_NOT_ALLOWED = "NullSenderNotAllowed", Permanent, Never,
        "the empty sender <> is not allowed", "let the app use the mailbox's address as sender, or set spec.sendAs.allowNullSender of the MailSender to true";
    /// A pattern of `spec.recipients.deny` covers the recipient.
    RECIPIENT_DENIED = "RecipientDenied", Permanent, Never,
        "the sender's rules deny this recipient", "use another recipient, or change spec.recipients.deny of the MailSender";
    /// No pattern of `spec.recipients.allow` covers the recipient.
    RECIPIENT_NOT_ALLOWED = "RecipientNotAllowed", Permanent, Never,
        "the sender's rules do not allow this recipient", "use another recipient, or add this one to spec.recipients.allow of the MailSender";
    /// The recipient's address is written in a way that patterns cannot be compared with.
    RECIPIENT_UNCLEAR = "RecipientUnclear", Permanent, Never,
        "the rules in spec.recipients of the MailSender cannot be applied to an address that is written like this", "write it as name@domain, without an address literal, a route, @, % or ! in the name, and with an international domain in its xn-- form";
    /// From is neither the mailbox nor covered by `spec.sendAs.envelopeFrom`.
    FROM_NOT_ALLOWED = "FromNotAllowed", Permanent, Never,
        "the message's From header is not an address of this sender", "let the app use the mailbox's address in From, add the address to spec.sendAs.envelopeFrom of the MailSender, or set its spec.sendAs.headerFrom to Rewrite";
    /// Sender is neither the mailbox nor covered by `spec.sendAs.envelopeFrom`.
    SENDER_HEADER_NOT_ALLOWED = "SenderHeaderNotAllowed", Permanent, Never,
        "the message's Sender header is not an address of this sender", "let the app leave it out, add the address to spec.sendAs.envelopeFrom of the MailSender, or set its spec.sendAs.headerFrom to Rewrite";
    /// A foreign From or Sender in a message whose signature a rewrite would break.
    SIGNED_NOT_REWRITTEN = "SignedNotRewritten", Permanent, Never,
        "the message's From or Sender header is not an address of this sender, and the message is signed, so it is not rewritten", "let the app use the mailbox's address, or leave the signature to the relay, or add the address to spec.sendAs.envelopeFrom of the MailSender";
    /// A signed message without a From.
    SIGNED_WITHOUT_FROM = "SignedWithoutFrom", Permanent, Never,
        "the message is signed and has no From header", "let the app write a From header before it signs";
    /// More than one From header, or more than one address in it.
    FROM_SEVERAL = "FromSeveral", Permanent, Never,
        "the message names more than one author", "let the app write one From header with one address";
    /// A From header that different readers would read differently.
    FROM_UNCLEAR = "FromUnclear", Permanent, Never,
        "the message's From header cannot be read as one address", "let the app write it as From: \"Name\" <name@domain>, encoded in ASCII or UTF-8";
    /// A header section that different readers would read differently.
    HEADER_MALFORMED = "HeaderMalformed", Permanent, Never,
        "the message's header section is malformed", "let the app write each field as Name: value (no space before the colon), continue it only on lines that begin with a space and hold text, and end the header section with an empty line";
    /// The message begins with a mailbox file's `From ` line.
    HEADER_MBOX_LINE = "HeaderMboxLine", Permanent, Never,
        "the message begins with the line From (without a colon) of a mailbox file", "let the app leave that line out";
    /// More than 256 KiB of header.
    HEADER_TOO_LONG = "HeaderTooLong", Permanent, Never,
        "the message's header section is longer than 256 KiB", "send a shorter one";
}
