//! Where Microsoft takes a domain's own mail: its MX records, as far as they are to be believed.

use crate::fault::{Fault, MxTrouble};

/// One MX record; the lower its preference, the sooner it is meant to be used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MailExchanger {
    /// RFC 5321 section 5.1.
    pub preference: u16,
    /// In lower case, without a dot at its end.
    pub host: String,
}

/// The names under which Microsoft takes mail for its customers' domains. A wrong MX record, or a
/// forged one, could send an organisation's internal mail anywhere.
///
/// The first is the worldwide cloud's and GCC's, the second that of domains with DNSSEC. Those of
/// GCC High and DoD and of 21Vianet are inferred from the names of their SPF records; where they are
/// wrong, the route names its host.
const BELIEVED: [&str; 4] = [
    "mail.protection.outlook.com",
    "mx.microsoft",
    "mail.protection.office365.us",
    "mail.protection.partner.outlook.cn",
];

/// The most preferred of these exchangers that is Microsoft's.
///
/// # Errors
/// When none is, with the names of those that were found.
pub fn believed(exchangers: &[MailExchanger]) -> Result<&str, Fault> {
    exchangers
        .iter()
        .filter(|exchanger| is_microsofts(&exchanger.host))
        .min()
        .map(|exchanger| exchanger.host.as_str())
        .ok_or_else(|| Fault::Mx(MxTrouble::Foreign(shown(exchangers))))
}

fn is_microsofts(host: &str) -> bool {
    BELIEVED.iter().any(|known| {
        host.strip_suffix(known).and_then(|before| before.strip_suffix('.')).is_some_and(|it| !it.is_empty())
    })
}

/// The first few, as a zone can hold hundreds.
fn shown(exchangers: &[MailExchanger]) -> String {
    const SHOWN: usize = 3;
    let named = exchangers.iter().map(|it| it.host.as_str()).filter(|host| !host.is_empty());
    let mut names: Vec<&str> = named.clone().take(SHOWN).collect();
    if named.count() > SHOWN {
        names.push("and others");
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchangers(named: &[(u16, &str)]) -> Vec<MailExchanger> {
        named
            .iter()
            .map(|(preference, host)| MailExchanger { preference: *preference, host: (*host).to_owned() })
            .collect()
    }

    #[test]
    fn the_most_preferred_of_microsofts_is_taken() {
        for (named, host) in [
            (
                &[(10, "contoso-com.mail.protection.outlook.com")][..],
                "contoso-com.mail.protection.outlook.com",
            ),
            (&[(0, "contoso-com.o-v1.mx.microsoft")], "contoso-com.o-v1.mx.microsoft"),
            (&[(0, "contoso-us.mail.protection.office365.us")], "contoso-us.mail.protection.office365.us"),
            (
                &[(0, "contoso-cn.mail.protection.partner.outlook.cn")],
                "contoso-cn.mail.protection.partner.outlook.cn",
            ),
            (
                &[(20, "b.mail.protection.outlook.com"), (10, "a.mail.protection.outlook.com")],
                "a.mail.protection.outlook.com",
            ),
            (
                &[(5, "mx.filter.example"), (10, "a.mail.protection.outlook.com")],
                "a.mail.protection.outlook.com",
            ),
        ] {
            assert_eq!(believed(&exchangers(named)), Ok(host));
        }
    }

    #[test]
    fn what_is_not_microsofts_is_named_and_refused() {
        for host in [
            "mx.filter.example",
            "mail.protection.outlook.com",
            "evil-mail.protection.outlook.com",
            "contoso-com.mail.protection.outlook.com.evil.example",
            "mx.microsoft",
            "evilmx.microsoft",
        ] {
            let fault = believed(&exchangers(&[(10, host)])).unwrap_err();
            assert_eq!(fault, Fault::Mx(MxTrouble::Foreign(host.to_owned())));
        }
        let many = exchangers(&[(1, "a.example"), (2, "b.example"), (3, "c.example"), (4, "d.example")]);
        let shown = believed(&many).unwrap_err().to_string();
        assert!(shown.contains("a.example, b.example, c.example, and others"), "{shown}");
        assert!(!shown.contains("d.example"), "{shown}");
    }
}
