//! How a kind names the fields that are set and that this version does not act upon yet.

/// Keeps the paths whose field is set.
pub(crate) fn paths_of_set<const N: usize>(fields: [(&'static str, bool); N]) -> Vec<&'static str> {
    fields.into_iter().filter_map(|(path, set)| set.then_some(path)).collect()
}
