//! Kubernetes' quantities, as far as containers ask for them: `250m`, `1.5`, `64Mi`, `1e6`.

use std::cmp::Ordering;

/// A positive quantity, and how it was written.
#[derive(Debug, Clone)]
pub(super) struct Quantity {
    text: String,
    /// In thousandths, rounded up as Kubernetes does.
    milli: u128,
}

impl Quantity {
    /// Reads what a person wrote. Zero, signs and anything finer than a thousandth are refused or
    /// rounded up: nobody asks for them.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() > 32 {
            return None;
        }
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() || fraction.contains('.') {
            return None;
        }
        let (factor, divisor) = scale(suffix)?;
        let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
        let divisor = divisor.checked_mul(10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?)?;
        let milli = digits.checked_mul(factor)?.checked_mul(1000)?.div_ceil(divisor);
        (milli > 0).then(|| Self { text: text.to_owned(), milli })
    }

    /// One that needs no reading; `milli` is what `text` says.
    pub(super) fn written(text: &str, milli: u128) -> Self {
        Self { text: text.to_owned(), milli }
    }

    /// As it was written.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// In whole units, rounded down: octets, of memory.
    pub(super) fn units(&self) -> u64 {
        u64::try_from(self.milli / 1000).unwrap_or(u64::MAX)
    }
}

/// Two ways to write the same are equal.
impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.milli == other.milli
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.milli.cmp(&other.milli)
    }
}

fn scale(suffix: &str) -> Option<(u128, u128)> {
    let binary = |power: u32| Some((1_u128 << (10 * power), 1));
    let decimal = |power: u32| Some((10_u128.pow(power), 1));
    match suffix {
        "" => Some((1, 1)),
        "m" => Some((1, 1000)),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            let exponent: u32 = exponent.parse().ok().filter(|exponent| *exponent <= 18)?;
            decimal(exponent)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_kubernetes_reads() {
        let equal = |a: &str, b: &str| assert_eq!(Quantity::parse(a), Quantity::parse(b), "{a} {b}");
        equal("1", "1000m");
        equal("1.5", "1500m");
        equal("64Mi", "67108864");
        equal("1e6", "1M");
        equal("0.5Gi", "512Mi");
        equal("2E3", "2k");
        assert_eq!(Quantity::parse("64Mi").unwrap().units(), 67_108_864);
        assert_eq!(Quantity::parse("250m").unwrap().units(), 0);
        assert!(Quantity::parse("129Mi") > Quantity::parse("128Mi"));
    }

    #[test]
    fn refuses_what_is_no_amount_of_anything() {
        for text in [
            "",
            "0",
            "0Mi",
            "-1",
            "+1",
            "1 Mi",
            "Mi",
            "64MB",
            "1..5",
            "1.2.3",
            ".",
            "1e",
            "1e99",
            "1e-3",
            "ten",
            "999999999999999999999999999999999999999999",
            "99999999999999999999999999999Ei",
            "１",
        ] {
            assert!(Quantity::parse(text).is_none(), "{text:?}");
        }
    }
}
