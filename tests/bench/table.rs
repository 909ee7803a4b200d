//! A table of text: the first column flush left, the others flush right.

use std::fmt::Write;

/// Lines of cells below their heads. A line may be shorter than the head.
pub(super) fn table(head: &[&str], lines: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let mut widths = vec![0; head.len()];
    for line in lines.iter().chain([&head]) {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let rule = widths.iter().map(|&width| "-".repeat(width)).collect();
    [&head, &rule].into_iter().chain(lines).map(|line| laid_out(line, &widths)).collect()
}

fn laid_out(line: &[String], widths: &[usize]) -> String {
    let mut text = String::new();
    for (column, (cell, &width)) in line.iter().zip(widths).enumerate() {
        // writing to a string does not fail
        let _written = match column {
            0 => write!(text, "{cell:<width$}"),
            _ => write!(text, "  {cell:>width$}"),
        };
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// A figure with about three digits that mean something.
pub(super) fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Octets as MiB, with one decimal.
pub(super) fn mib(octets: u64) -> String {
    let tenths = (octets * 10 + 512 * 1024) / (1024 * 1024);
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let lines = [vec!["direct".to_owned(), "19800".to_owned()], vec!["×".to_owned(), "1".to_owned()]];
        let expected = "relay   msg/s\n------  -----\ndirect  19800\n×           1\n";
        assert_eq!(table(&["relay", "msg/s"], &lines), expected);
    }

    #[test]
    fn figures_keep_what_means_something() {
        let shown = [19_804.4, 104.5, 38.26, 0.148, 0.0].map(figure);
        assert_eq!(shown, ["19804", "104", "38.3", "0.15", "0.00"]);
        assert_eq!([6 * 1024 * 1024, 1024 * 1024 - 1, 0].map(mib), ["6.0", "1.0", "0.0"]);
    }
}
