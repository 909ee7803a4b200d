//! What Microsoft Graph answers to `sendMail` (fact sheet D, "Graph").
//!
//! Only 202 is success. An answer that leaves open whether the message was taken is uncertain, and
//! so never repeated unasked: 504 answered with repeats gave four copies.

use crate::row::{
    Class::{self, Mendable, Permanent, Transient, Uncertain},
    Retry::{self, BackOff, Never, OnceFresh, Slow, WhenMended},
    Row,
    When::Graph,
};

const fn row(
    (from, to, code): (u16, u16, &'static str),
    reason: &'static str,
    class: Class,
    retry: Retry,
    cause: &'static str,
    fix: &'static str,
) -> Row {
    Row { when: Graph { from, to, code }, reason, class, retry, cause, fix }
}

const MAIL_SEND: &str = "grant the application the permission Mail.Send of Microsoft Graph, as an application permission and not as a delegated one, and consent to it: az ad app permission admin-consent --id CLIENT_ID; then check that the mailbox lies within its RBAC scope or access policy";
const LATER: &str = "wait: it is tried again when Graph allows; if it stays, send less at once or spread the mail over more mailboxes";

#[rustfmt::skip] // a table reads by rows
pub(crate) const ROWS: &[Row] = &[
    row((0, 0, "NoPermissionsInAccessToken"), "GraphPermissionMissing", Mendable, WhenMended,
        "the token carries no permission for Graph",
        MAIL_SEND),
    row((0, 0, "ErrorAccessDenied"), "GraphAccessDenied", Mendable, WhenMended,
        "Graph does not let the application send from this mailbox",
        MAIL_SEND),
    row((0, 0, "ErrorSendAsDenied"), "SendAsDenied", Mendable, WhenMended,
        "the mailbox may not send as this sender",
        "let the app use the mailbox's own address as sender, or: Add-RecipientPermission -Identity SENDER -Trustee SERVICE_PRINCIPAL_OBJECT_ID -AccessRights SendAs"),
    row((0, 0, "MailboxNotEnabledForRESTAPI"), "MailboxNotInTheCloud", Mendable, WhenMended,
        "the mailbox is not in Exchange Online, or has no licence",
        "check the mailbox: Get-Mailbox MAILBOX; give it a licence or move it to Exchange Online"),
    row((0, 0, "ErrorInvalidUser"), "MailboxNotFound", Mendable, WhenMended,
        "Graph does not know the mailbox in this tenant",
        "check spec.mailbox of the MailSender and spec.tenant of the EntraApp"),
    row((404, 404, ""), "MailboxNotFound", Mendable, WhenMended,
        "Graph does not know the mailbox in this tenant",
        "check spec.mailbox of the MailSender and spec.tenant of the EntraApp"),
    row((0, 0, "ErrorExceededMessageLimit"), "SubmissionQuota", Mendable, Slow,
        "the mailbox has used up its messages or recipients for 24 hours",
        "wait until they are free again, or spread the mail over more mailboxes"),
    row((0, 0, "ErrorQuotaExceeded"), "MailboxFull", Mendable, Slow,
        "the sending mailbox is full, usually its Sent Items",
        "empty it and set a retention policy on Sent Items"),
    row((0, 0, "ErrorMessageSizeExceeded"), "MessageTooLarge", Permanent, Never,
        "the message is larger than the mailbox may send",
        "send a smaller message, or raise it: Set-Mailbox -Identity MAILBOX -MaxSendSize 150MB"),
    row((413, 413, ""), "MessageTooLarge", Permanent, Never,
        "the message is larger than one request to Graph may be (about 3 MB)",
        "send a smaller message, name a fallbackRoute in the MailSender, or set largeMessages: Draft in the MailRoute"),
    row((0, 0, "ErrorInvalidRecipients"), "BadRecipient", Permanent, Never,
        "Graph refused a recipient's address",
        "correct the recipient's address"),
    row((0, 0, "ErrorMimeContentInvalidBase64String"), "GraphRequestRefused", Mendable, BackOff,
        "Graph could not read our request",
        "this is a bug of ours: report it with Graph's words"),
    row((0, 0, "ErrorMimeContentInvalid"), "MalformedContent", Permanent, Never,
        "Graph cannot read the message",
        "let the app write a well-formed message (RFC 5322)"),
    row((401, 401, ""), "TokenRefused", Mendable, OnceFresh,
        "Graph refused the token",
        "check that the EntraApp's scope is that of Graph, and its permissions: Mail.Send"),
    row((403, 403, ""), "GraphAccessDenied", Mendable, WhenMended,
        "Graph does not let the application send from this mailbox",
        MAIL_SEND),
    row((0, 0, "ApplicationThrottled"), "ConcurrencyLimit", Transient, BackOff,
        "more requests at once than the mailbox may make (4)",
        LATER),
    row((429, 429, ""), "GraphThrottled", Transient, BackOff,
        "Graph throttles the application",
        LATER),
    row((504, 504, ""), "DeliveryUncertain", Uncertain, Never,
        "Graph did not answer in time after it had the whole message: it may have been sent",
        "look for the Message-ID in the message trace before you send it again"),
    row((502, 502, ""), "DeliveryUncertain", Uncertain, Never,
        "Graph's answer was lost after it had the whole message: it may have been sent",
        "look for the Message-ID in the message trace before you send it again"),
    row((200, 299, ""), "DeliveryUncertain", Uncertain, Never,
        "Graph answered in a way that is neither acceptance (202) nor refusal: the message may have been sent",
        "look for the Message-ID in the message trace before you send it again"),
    row((500, 599, ""), "UpstreamBusy", Transient, BackOff,
        "Graph has a passing fault",
        "try again later; if it stays, look at the Microsoft 365 service health page"),
    row((0, 999, ""), "GraphRequestRefused", Mendable, BackOff,
        "Graph refused the request",
        "read Graph's words; check the baseURL of the MailRoute, and whether a proxy answers in Graph's place"),
];
