//! Address patterns, as the custom resources, policies and the sender's rules use them.

/// Tells whether `pattern` covers `address`.
///
/// A pattern is one of
/// - `*`: every address;
/// - `LOCAL@DOMAIN`, where `LOCAL` may be `*` (every local part), and `DOMAIN` may begin with `*.`
///   (every subdomain at any depth, but not the domain itself).
///
/// Letter case is ignored (ASCII), in the local part too: Exchange ignores it, although RFC 5321
/// section 2.4 would let a host tell `Billing@` and `billing@` apart. A `+tag` is part of the local
/// part: `billing@contoso.com` does not cover `billing+x@contoso.com`. The domain of an address is
/// what follows its last `@`. Anything that is no pattern covers nothing.
pub fn covers(pattern: &str, address: &str) -> bool {
    let Some((local, domain)) = address.rsplit_once('@') else {
        return false;
    };
    if local.is_empty() || domain.is_empty() {
        return false;
    }
    if pattern == "*" {
        return true;
    }
    let Some((wanted_local, wanted_domain)) = pattern.rsplit_once('@') else {
        return false;
    };
    let local_fits = wanted_local == "*" || wanted_local.eq_ignore_ascii_case(local);
    local_fits && covers_domain(wanted_domain, domain)
}

/// Tells whether `text` is a pattern; see [`covers`].
pub fn is_pattern(text: &str) -> bool {
    let domain = |it: &str| !it.is_empty() && !it.contains(['*', '@']) && !it.starts_with('.');
    text == "*"
        || text.rsplit_once('@').is_some_and(|(local, host)| {
            let local = !local.is_empty() && (local == "*" || !local.contains('*'));
            local && domain(host.strip_prefix("*.").unwrap_or(host))
        })
}

/// Tells whether any of `patterns` covers `address`; see [`covers`].
pub fn any_covers(patterns: &[String], address: &str) -> bool {
    patterns.iter().any(|pattern| covers(pattern, address))
}

fn covers_domain(wanted: &str, domain: &str) -> bool {
    match wanted.strip_prefix("*.") {
        None => wanted.eq_ignore_ascii_case(domain),
        Some(parent) => {
            // compared as bytes: the cut may fall inside a character of a foreign domain
            let (domain, parent) = (domain.as_bytes(), parent.as_bytes());
            domain.len().checked_sub(parent.len()).is_some_and(|cut| {
                cut >= 2
                    && domain[cut - 1] == b'.'
                    && domain[cut..].eq_ignore_ascii_case(parent)
                    && !parent.is_empty()
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{covers, is_pattern};

    #[test]
    fn an_address_covers_itself_in_any_letter_case() {
        assert!(covers("billing@contoso.com", "Billing@CONTOSO.com"));
        assert!(!covers("billing@contoso.com", "billing+x@contoso.com"));
        assert!(!covers("billing@contoso.com", "xbilling@contoso.com"));
    }

    #[test]
    fn a_star_covers_every_local_part_of_that_domain_only() {
        assert!(covers("*@contoso.com", "billing@Contoso.COM"));
        assert!(!covers("*@contoso.com", "billing@shop.contoso.com"));
        assert!(!covers("*@contoso.com", "billing@evilcontoso.com"));
        assert!(!covers("*@contoso.com", "billing@contoso.com.evil.org"));
    }

    #[test]
    fn a_starred_domain_covers_subdomains_but_not_itself() {
        assert!(covers("*@*.contoso.com", "a@shop.contoso.com"));
        assert!(covers("noreply@*.contoso.com", "NoReply@eu.shop.Contoso.com"));
        assert!(!covers("*@*.contoso.com", "a@contoso.com"));
        assert!(!covers("*@*.contoso.com", "a@.contoso.com"));
        assert!(!covers("*@*.contoso.com", "a@evilcontoso.com"));
        assert!(!covers("*@*.", "a@b."));
    }

    #[test]
    fn the_domain_is_what_follows_the_last_at_sign() {
        assert!(!covers("*@contoso.com", "billing@contoso.com@evil.org"));
        assert!(!covers("*@contoso.com", "\"a@contoso.com\"@evil.org"));
        assert!(covers("*@contoso.com", "\"a@evil.org\"@contoso.com"));
    }

    #[test]
    fn what_is_no_address_is_covered_by_nothing() {
        for address in ["", "billing", "@contoso.com", "billing@"] {
            assert!(!covers("*", address), "{address:?}");
            assert!(!covers("*@contoso.com", address), "{address:?}");
        }
        assert!(covers("*", "anybody@anywhere.example"));
    }

    #[test]
    fn what_is_no_pattern_covers_nothing() {
        for pattern in ["", "contoso.com", "@contoso.com", "**", "*@", "*.contoso.com"] {
            assert!(!covers(pattern, "billing@contoso.com"), "{pattern:?}");
            assert!(!is_pattern(pattern), "{pattern:?}");
        }
    }

    #[test]
    fn patterns_are_known_by_their_shape() {
        for pattern in ["*", "a@contoso.com", "*@contoso.com", "*@*.contoso.com", "\"a@b\"@contoso.com"] {
            assert!(is_pattern(pattern), "{pattern:?}");
        }
        assert!(!is_pattern("a*@contoso.com") && !is_pattern("*@*contoso.com"));
    }

    #[test]
    fn letters_beyond_ascii_are_compared_as_they_are() {
        assert!(covers("*@*.contoso.com", "jörg@ü.contoso.com"));
        assert!(covers("jörg@contoso.com", "Jörg@contoso.com"));
        assert!(!covers("JÖRG@contoso.com", "jörg@contoso.com"));
        assert!(!covers("*@*.xx", "a@日本"));
    }
}
