//! Entra's errors, in its words: one row for each AADSTS code of the fact sheet, and for those of others'
//! logs that a credential can meet.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::lab::stamp;

/// A refusal of the token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The HTTP status.
    pub(super) status: u16,
    /// OAuth's error (RFC 6749 section 5.2).
    pub(super) error: &'static str,
    /// The number behind "AADSTS".
    pub(super) code: u32,
    text: String,
}

/// What an error text names.
#[derive(Clone, Debug, Default)]
pub(super) struct About<'a> {
    /// The client id.
    pub(super) app: &'a str,
    /// The tenant as the URL had it.
    pub(super) tenant: &'a str,
    /// The scope, or the resource in it.
    pub(super) scope: &'a str,
    /// The field of the form that is missing or wrong.
    pub(super) field: &'a str,
}

impl Refusal {
    /// The error of this code; an unknown one is an `invalid_request`.
    pub(super) fn new(code: u32, about: &About<'_>) -> Self {
        let (error, text) = row(code, about);
        let status = match (code, error) {
            (90055, _) => 429,
            (_, "invalid_client") => 401,
            (_, "temporarily_unavailable") => 503,
            (_, _) => 400,
        };
        Self { status, error, code, text }
    }

    /// The answer's body.
    pub(super) fn body(&self, now: Timestamp) -> Value {
        let (trace, correlation, time) = (stamp::guid(), stamp::guid(), stamp::entra(now));
        json!({
            "error": self.error,
            "error_description": format!(
                "AADSTS{}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {time}",
                self.code, self.text
            ),
            "error_codes": [self.code],
            "timestamp": time,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("https://login.microsoftonline.com/error?code={}", self.code),
        })
    }
}

/// OAuth's error and the text behind the number.
fn row(code: u32, about: &About<'_>) -> (&'static str, String) {
    let About { app, tenant, scope, field } = *about;
    match code {
        7000215 => ("invalid_client", format!("Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{app}'.")),
        7000222 => ("invalid_client", format!("The provided client secret keys for app '{app}' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds.")),
        7000218 => ("invalid_client", "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.".to_owned()),
        900144 => ("invalid_request", format!("The request body must contain the following parameter: '{field}'.")),
        900561 => ("invalid_request", "The endpoint only accepts POST requests. Received a GET request.".to_owned()),
        700016 => ("unauthorized_client", format!("Application with identifier '{app}' was not found in the directory '{tenant}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.")),
        700011 => ("unauthorized_client", format!("Application with identifier '{app}' was not found in the directory.")),
        7000112 => ("unauthorized_client", format!("Application '{app}' is disabled.")),
        70001 => ("unauthorized_client", format!("Application '{app}' is disabled or not found.")),
        70003 => ("unsupported_grant_type", format!("The app requested an unsupported grant type '{field}'.")),
        90002 => ("invalid_request", format!("Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.")),
        90038 => ("invalid_request", format!("Tenant '{tenant}' request is being redirected to the National Cloud.")),
        9001023 => ("invalid_request", "The grant type is not supported over the /common or /consumers endpoints. Please use the /organizations or tenant-specific endpoint.".to_owned()),
        700027 => {
            let why = if field.is_empty() { "The key was not found." } else { field };
            ("invalid_client", format!("The certificate with identifier used to sign the client assertion is not registered on application '{app}'. [Reason - {why}]"))
        }
        700021 => ("invalid_client", "Client assertion application identifier doesn't match 'client_id' parameter.".to_owned()),
        700023 => ("invalid_client", "Client assertion audience claim does not match Realm issuer.".to_owned()),
        700025 => ("invalid_client", "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.".to_owned()),
        5002738 => ("invalid_client", "Invalid JWT token. It is of a signature algorithm that is not supported.".to_owned()),
        50027 => ("invalid_request", "Invalid JWT token. It is malformed.".to_owned()),
        700024 => ("invalid_client", "Client assertion is not within its valid time range.".to_owned()),
        70021 => ("invalid_client", "No matching federated identity record found for presented assertion.".to_owned()),
        700211 => ("invalid_client", "No matching federated identity record found for presented assertion issuer.".to_owned()),
        700213 => ("invalid_client", "No matching federated identity record found for presented assertion subject.".to_owned()),
        7002138 => ("invalid_client", "No matching federated identity record found for presented assertion subject. The subject matches with case-insensitive comparison, but not with case-sensitive comparison.".to_owned()),
        700212 | 7002121 => ("invalid_client", "No matching federated identity record found for presented assertion audience.".to_owned()),
        90061 => ("invalid_request", "Request to External OIDC endpoint failed.".to_owned()),
        500011 => ("invalid_resource", format!("The resource principal named {scope} was not found in the tenant named {tenant}. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant.")),
        50001 => ("invalid_resource", format!("The resource principal named {scope} was not found.")),
        650057 => ("invalid_resource", "Invalid resource. The client has requested access to a resource which is not listed in the requested permissions in the client's application registration.".to_owned()),
        70011 => ("invalid_scope", format!("The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope {scope} is not valid.")),
        700022 => ("invalid_scope", format!("The provided value for the input parameter scope '{scope}' is not valid because it contains more than one resource.")),
        65001 => ("invalid_grant", format!("The user or administrator has not consented to use the application with ID '{app}'.")),
        650056 => ("unauthorized_client", "Misconfigured application.".to_owned()),
        90094 => ("invalid_grant", "An administrator must grant consent.".to_owned()),
        53003 => ("invalid_grant", "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.".to_owned()),
        530035 => ("invalid_grant", "Access has been blocked by security defaults.".to_owned()),
        50076 => ("interaction_required", "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access the resource.".to_owned()),
        50034 => ("invalid_grant", "The user account does not exist in the directory.".to_owned()),
        70008 | 700082 => ("invalid_grant", "The refresh token has expired due to inactivity.".to_owned()),
        70000 => ("invalid_grant", "The provided value for the input parameter 'refresh_token' is not valid.".to_owned()),
        7000012 => ("invalid_grant", "The grant was obtained for a different tenant.".to_owned()),
        70016 => ("authorization_pending", "OAuth 2.0 device flow error. Authorization is pending. Continue polling.".to_owned()),
        // its number is not known for certain; clients go by the error
        65004 => ("authorization_declined", "User declined to consent to access the app.".to_owned()),
        70018 => ("bad_verification_code", "The device code is not known.".to_owned()),
        70020 => ("expired_token", "The provided value for the input parameter 'device_code' is not valid. This device code has expired.".to_owned()),
        50173 => ("invalid_grant", "The provided grant has expired due to it being revoked, a fresh auth token is needed.".to_owned()),
        70043 => ("invalid_grant", "The refresh token has expired or is invalid due to sign-in frequency checks by Conditional Access.".to_owned()),
        1002016 => ("invalid_request", "You are using TLS version 1.0, 1.1 and/or 3DES cipher which are deprecated.".to_owned()),
        50196 => ("invalid_grant", "The server terminated an operation because it encountered a client request loop.".to_owned()),
        90033 | 90006 | 90024 | 90012 | 50033 | 70012 => ("temporarily_unavailable", "A transient error has occurred. Please try again.".to_owned()),
        90055 => ("temporarily_unavailable", "Tenant has exceeded its request limit. Please try again later.".to_owned()),
        _ => ("invalid_request", "The lab knows no words for this error.".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_secret_reads_as_in_the_fact_sheet() {
        let refusal = Refusal::new(7000215, &About { app: "an-app", ..About::default() });
        let body = refusal.body("2026-11-22T10:00:00Z".parse().unwrap());
        assert_eq!((refusal.status, &body["error"]), (401, &json!("invalid_client")));
        assert_eq!(body["error_codes"], json!([7000215]));
        let description = body["error_description"].as_str().unwrap();
        assert!(description.starts_with("AADSTS7000215: Invalid client secret provided. "), "{description}");
        assert!(description.ends_with(" Timestamp: 2026-11-22 10:00:00Z"), "{description}");
        assert!(description.contains(body["trace_id"].as_str().unwrap()), "{description}");
    }
}
