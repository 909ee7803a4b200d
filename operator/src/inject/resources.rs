//! What a sidecar may use.

use super::quantity::Quantity;

/// Requests and limits of one sidecar. No limit on CPU unless somebody asks for one: throttled
/// handshakes look like a slow relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resources {
    pub(super) cpu_request: Quantity,
    pub(super) memory_request: Quantity,
    pub(super) cpu_limit: Option<Quantity>,
    pub(super) memory_limit: Quantity,
}

/// A default that is no quantity, or a limit below its request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {value:?}: it must be {expected}")]
pub(super) struct InvalidResources {
    /// Which of the four.
    pub(super) field: &'static str,
    /// What it is.
    pub(super) value: String,
    /// What it must be.
    pub(super) expected: String,
}

/// The four texts, from annotations or settings.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Texts<'a> {
    /// CPU to be set aside.
    pub(super) cpu_request: Option<&'a str>,
    /// Memory to be set aside.
    pub(super) memory_request: Option<&'a str>,
    /// CPU at most.
    pub(super) cpu_limit: Option<&'a str>,
    /// Memory at most.
    pub(super) memory_limit: Option<&'a str>,
}

const WHAT: &str = "a positive quantity such as";

impl Resources {
    /// These, with what the texts change. A request above a limit that nobody asked for raises
    /// that limit; above one that was asked for, it is refused.
    pub(super) fn with(&self, texts: Texts<'_>) -> Result<Self, InvalidResources> {
        let cpu_request = read("cpu-request", texts.cpu_request, "10m")?;
        let memory_request = read("memory-request", texts.memory_request, "16Mi")?;
        let cpu_limit = read("cpu-limit", texts.cpu_limit, "200m")?;
        let memory_limit = read("memory-limit", texts.memory_limit, "128Mi")?;

        let asked = (cpu_request.is_some(), memory_request.is_some());
        let mut result = Self {
            cpu_request: cpu_request.unwrap_or_else(|| self.cpu_request.clone()),
            memory_request: memory_request.unwrap_or_else(|| self.memory_request.clone()),
            cpu_limit: cpu_limit.clone().or_else(|| self.cpu_limit.clone()),
            memory_limit: memory_limit.clone().unwrap_or_else(|| self.memory_limit.clone()),
        };
        if let Some(limit) = &mut result.cpu_limit {
            agree("cpu-limit", cpu_limit.is_some(), limit, asked.0, &mut result.cpu_request)?;
        }
        let limit = &mut result.memory_limit;
        agree("memory-limit", memory_limit.is_some(), limit, asked.1, &mut result.memory_request)?;
        Ok(result)
    }
}

/// Of a request and a limit that contradict each other, the one that nobody asked for gives way.
fn agree(
    field: &'static str,
    limit_asked: bool,
    limit: &mut Quantity,
    request_asked: bool,
    request: &mut Quantity,
) -> Result<(), InvalidResources> {
    if *request <= *limit {
        return Ok(());
    }
    match (limit_asked, request_asked) {
        (true, false) => *request = limit.clone(),
        (false, _) => *limit = request.clone(),
        (true, true) => {
            let expected = format!("at least the request, which is {}", request.as_str());
            return Err(InvalidResources { field, value: limit.as_str().to_owned(), expected });
        }
    }
    Ok(())
}

fn read(
    field: &'static str,
    text: Option<&str>,
    example: &str,
) -> Result<Option<Quantity>, InvalidResources> {
    let Some(text) = text else { return Ok(None) };
    match Quantity::parse(text) {
        Some(quantity) => Ok(Some(quantity)),
        None => Err(InvalidResources {
            field,
            value: text.chars().take(64).collect(),
            expected: format!("{WHAT} {example}"),
        }),
    }
}

impl Default for Resources {
    /// Ten times the idle memory to live in, room for a few large messages.
    fn default() -> Self {
        let quantity = |text: &str, milli| Quantity::written(text, milli);
        Self {
            cpu_request: quantity("10m", 10),
            memory_request: quantity("16Mi", 16 * 1024 * 1024 * 1000),
            cpu_limit: None,
            memory_limit: quantity("128Mi", 128 * 1024 * 1024 * 1000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts<'a>(request: Option<&'a str>, limit: Option<&'a str>) -> Texts<'a> {
        Texts { memory_request: request, memory_limit: limit, ..Texts::default() }
    }

    #[test]
    fn the_defaults_are_what_they_say() {
        let default = Resources::default();
        for quantity in [&default.cpu_request, &default.memory_request, &default.memory_limit] {
            assert_eq!(Some(quantity), Quantity::parse(quantity.as_str()).as_ref());
        }
    }

    #[test]
    fn what_nobody_asked_for_gives_way() {
        let default = Resources::default();
        let raised = default.with(texts(Some("1Gi"), None)).unwrap();
        assert_eq!(raised.memory_limit.as_str(), "1Gi");
        let lowered = default.with(texts(None, Some("8Mi"))).unwrap();
        assert_eq!(lowered.memory_request.as_str(), "8Mi");
    }

    #[test]
    fn refuses_a_limit_below_the_request_and_what_is_no_quantity() {
        let default = Resources::default();
        let refused = |texts| default.with(texts).unwrap_err().to_string();
        assert_eq!(
            refused(texts(Some("64Mi"), Some("32Mi"))),
            "memory-limit is \"32Mi\": it must be at least the request, which is 64Mi"
        );
        assert_eq!(
            refused(texts(Some("64MB"), None)),
            "memory-request is \"64MB\": it must be a positive quantity such as 16Mi"
        );
    }
}
