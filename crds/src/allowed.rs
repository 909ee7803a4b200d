//! Who may use an EntraApp or a MailRoute: namespaces by name or by label, by default none.

use std::collections::BTreeMap;

use kube::KubeSchema;
use mail_egress_config::pattern;
use serde::{Deserialize, Serialize};

use crate::selector::NamespaceSelector;

/// Namespaces that may use a MailRoute, by name or by label, and for which mailboxes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.namespaces) != has(self.selector)")
        .message("an entry of spec.allowedNamespaces needs exactly one of namespaces and selector"),
)]
pub struct AllowedNamespace {
    /// The namespaces, by name.
    #[schemars(schema_with = "crate::schema::namespaces")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Vec<String>>,
    /// The namespaces, by their labels. An empty selector selects every namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<NamespaceSelector>,
    /// The mailboxes that these namespaces may send as, as in an EntraApp. Absent: every mailbox, as
    /// far as the route's server lets them.
    #[schemars(schema_with = "crate::schema::nested_patterns")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mailboxes: Vec<String>,
}

/// Namespaces that may use an EntraApp, by name or by label, and the mailboxes that they may use
/// it for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.namespaces) != has(self.selector)")
        .message("an entry of spec.allowedNamespaces needs exactly one of namespaces and selector"),
)]
pub struct AllowedMailboxes {
    /// The namespaces, by name.
    #[schemars(schema_with = "crate::schema::namespaces")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Vec<String>>,
    /// The namespaces, by their labels. An empty selector selects every namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<NamespaceSelector>,
    /// The mailboxes that these namespaces may send as: an address (`billing@contoso.com`), a
    /// domain (`*@contoso.com`), its subdomains (`*@*.contoso.com`), or `*`. Letter case does not
    /// matter. Exchange's own scope for the application is the boundary; this is a guard rail.
    #[schemars(schema_with = "crate::schema::nested_patterns")]
    pub mailboxes: Vec<String>,
}

/// What an EntraApp, or a route without one, says to one namespace and mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// An entry names both.
    Admitted,
    /// No entry names the namespace.
    NamespaceNotAllowed,
    /// Entries name the namespace, but none of them the mailbox.
    MailboxNotAllowed,
}

impl AllowedNamespace {
    /// Tells whether a namespace of that name and with those labels is meant.
    pub fn admits(&self, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
        selects(self.namespaces.as_deref(), self.selector.as_ref(), namespace, labels)
    }

    /// Tells whether the mailbox is among the entry's; says nothing of the namespace.
    pub fn admits_mailbox(&self, mailbox: &str) -> bool {
        self.mailboxes.is_empty() || pattern::any_covers(&self.mailboxes, mailbox)
    }
}

impl AllowedMailboxes {
    /// Tells whether a namespace of that name and with those labels is meant, for some mailbox.
    pub fn admits(&self, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
        selects(self.namespaces.as_deref(), self.selector.as_ref(), namespace, labels)
    }

    /// Tells whether the mailbox is among the entry's; says nothing of the namespace.
    pub fn admits_mailbox(&self, mailbox: &str) -> bool {
        pattern::any_covers(&self.mailboxes, mailbox)
    }
}

impl Admission {
    /// Judges by all entries of an EntraApp. No entry admits nobody; several entries add up.
    pub fn judge(
        entries: &[AllowedMailboxes],
        namespace: &str,
        labels: &BTreeMap<String, String>,
        mailbox: &str,
    ) -> Self {
        let admitting = entries.iter().filter(|entry| entry.admits(namespace, labels));
        Self::sum(admitting.map(|entry| entry.admits_mailbox(mailbox)))
    }

    /// As [`Admission::judge`], by all entries of a route that has no EntraApp.
    pub fn judge_route(
        entries: &[AllowedNamespace],
        namespace: &str,
        labels: &BTreeMap<String, String>,
        mailbox: &str,
    ) -> Self {
        let admitting = entries.iter().filter(|entry| entry.admits(namespace, labels));
        Self::sum(admitting.map(|entry| entry.admits_mailbox(mailbox)))
    }

    /// Of what each entry that names the namespace says to the mailbox.
    fn sum(admitting: impl Iterator<Item = bool>) -> Self {
        admitting.fold(Self::NamespaceNotAllowed, |sum, admits| match (sum, admits) {
            (Self::Admitted, _) | (_, true) => Self::Admitted,
            (Self::NamespaceNotAllowed | Self::MailboxNotAllowed, false) => Self::MailboxNotAllowed,
        })
    }
}

/// An entry with neither list nor selector, which the API server refuses, selects nothing; one with
/// both needs both.
fn selects(
    namespaces: Option<&[String]>,
    selector: Option<&NamespaceSelector>,
    namespace: &str,
    labels: &BTreeMap<String, String>,
) -> bool {
    let named = namespaces.map(|names| names.iter().any(|name| name == namespace));
    let labelled = selector.map(|selector| selector.selects(labels));
    match (named, labelled) {
        (None, None) => false,
        (Some(one), None) | (None, Some(one)) => one,
        (Some(named), Some(labelled)) => named && labelled,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Admission, AllowedMailboxes, AllowedNamespace};
    use crate::selector::NamespaceSelector;

    fn entry(namespaces: &[&str], mailboxes: &[&str]) -> AllowedMailboxes {
        AllowedMailboxes {
            namespaces: Some(namespaces.iter().map(|&name| name.into()).collect()),
            selector: None,
            mailboxes: mailboxes.iter().map(|&pattern| pattern.into()).collect(),
        }
    }

    fn judge(entries: &[AllowedMailboxes], namespace: &str, mailbox: &str) -> Admission {
        Admission::judge(entries, namespace, &BTreeMap::new(), mailbox)
    }

    #[test]
    fn no_entry_admits_nobody() {
        assert_eq!(judge(&[], "shop", "billing@contoso.com"), Admission::NamespaceNotAllowed);
    }

    #[test]
    fn namespace_and_mailbox_must_stand_in_the_same_entry() {
        let entries = [entry(&["shop"], &["shop@contoso.com"]), entry(&["hr"], &["*@contoso.com"])];
        assert_eq!(judge(&entries, "shop", "Shop@contoso.com"), Admission::Admitted);
        assert_eq!(judge(&entries, "shop", "ceo@contoso.com"), Admission::MailboxNotAllowed);
        assert_eq!(judge(&entries, "hr", "ceo@contoso.com"), Admission::Admitted);
        assert_eq!(judge(&entries, "dev", "ceo@contoso.com"), Admission::NamespaceNotAllowed);
    }

    #[test]
    fn several_entries_for_a_namespace_add_up() {
        let entries = [entry(&["shop"], &["a@contoso.com"]), entry(&["shop"], &["b@contoso.com"])];
        assert_eq!(judge(&entries, "shop", "b@contoso.com"), Admission::Admitted);
    }

    #[test]
    fn a_route_that_names_no_mailboxes_admits_each() {
        let entry = |mailboxes: &[&str]| AllowedNamespace {
            namespaces: Some(vec!["shop".into()]),
            mailboxes: mailboxes.iter().map(|&pattern| pattern.into()).collect(),
            ..AllowedNamespace::default()
        };
        let judge = |entries: &[AllowedNamespace], namespace: &str| {
            Admission::judge_route(entries, namespace, &BTreeMap::new(), "ceo@contoso.com")
        };
        assert_eq!(judge(&[entry(&[])], "shop"), Admission::Admitted);
        assert_eq!(judge(&[entry(&["shop@contoso.com"])], "shop"), Admission::MailboxNotAllowed);
        assert_eq!(
            judge(&[entry(&["shop@contoso.com"]), entry(&["ceo@*.com", "*"])], "shop"),
            Admission::Admitted
        );
        assert_eq!(judge(&[entry(&[])], "hr"), Admission::NamespaceNotAllowed);
    }

    #[test]
    fn an_empty_selector_admits_every_namespace() {
        let everybody =
            AllowedNamespace { selector: Some(NamespaceSelector::default()), ..AllowedNamespace::default() };
        assert!(everybody.admits("shop", &BTreeMap::new()));
    }

    #[test]
    fn an_entry_that_got_past_the_rules_admits_no_more_than_either_half() {
        let neither = AllowedNamespace::default();
        assert!(!neither.admits("shop", &BTreeMap::new()));
        let both = AllowedNamespace {
            namespaces: Some(vec!["shop".into()]),
            selector: Some(NamespaceSelector {
                match_labels: BTreeMap::from([("team".into(), "shop".into())]),
                ..Default::default()
            }),
            mailboxes: Vec::new(),
        };
        assert!(!both.admits("shop", &BTreeMap::new()));
        assert!(both.admits("shop", &BTreeMap::from([("team".into(), "shop".into())])));
    }
}
