//! Answers of a token endpoint that is not Entra's, such as Google's: by status and by the errors of
//! RFC 6749 section 5.2, which is all that such endpoints have in common.

use crate::row::{
    Class::{Mendable, Transient},
    Retry::{BackOff, WhenMended},
    Row,
    When::{ProviderError, ProviderStatus},
};

const fn refused(error: &'static str, reason: &'static str, cause: &'static str, fix: &'static str) -> Row {
    Row { when: ProviderError(error), reason, class: Mendable, retry: WhenMended, cause, fix }
}

#[rustfmt::skip] // a table reads by rows
pub(crate) const ROWS: &[Row] = &[
    Row {
        when: ProviderStatus(429, 429),
        reason: "TokenHostThrottled",
        class: Transient,
        retry: BackOff,
        cause: "the token host throttles the client",
        fix: "wait: it is asked again when it allows; find who else asks for tokens with this client ID",
    },
    Row {
        when: ProviderStatus(500, 599),
        reason: "TokenHostUnavailable",
        class: Transient,
        retry: BackOff,
        cause: "the token host has a fault of its own",
        fix: "wait: it is asked again; if it stays, look at the provider's status page",
    },
    Row {
        when: ProviderError("temporarily_unavailable"),
        reason: "TokenHostUnavailable",
        class: Transient,
        retry: BackOff,
        cause: "the token host is busy",
        fix: "wait: it is asked again",
    },
    refused("invalid_grant", "RefreshTokenDead",
        "the token host refused the refresh token: it has expired, was revoked, or is another client's",
        "sign in again with this client ID and store the new refresh token; at Google, those of an app whose publishing status is Testing end after 7 days"),
    refused("invalid_client", "InvalidClient",
        "the token host refused the client ID or its secret",
        "check the client ID, and the client secret that belongs to it"),
    refused("unauthorized_client", "UnauthorizedClient",
        "this client may not use this grant",
        "use a credential of the kind that the provider allows the client, or allow it there"),
    refused("unsupported_grant_type", "UnauthorizedClient",
        "the token host does not know this grant",
        "use a credential of another kind: a refresh token, or a client secret"),
    refused("invalid_scope", "InvalidScope",
        "the token host refused the scope",
        "check the scope, and that it was granted at the sign-in; Gmail's is https://mail.google.com/"),
    refused("invalid_request", "InvalidTokenRequest",
        "the token host refused the token request",
        "check the token URL, the client ID and the scope"),
    Row {
        when: ProviderStatus(0, 999),
        reason: "UnexpectedTokenResponse",
        class: Mendable,
        retry: BackOff,
        cause: "the token host gave no token response",
        fix: "check the provider's token URL, and whether a proxy answers in its place",
    },
];
