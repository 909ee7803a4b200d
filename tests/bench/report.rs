//! Everything that was measured, as a table and as JSON.

use std::fmt;

use serde::Serialize;

use super::figures::Round;
use super::memory::Memory;
use super::options::{Case, Options, PerConnection, Size};
use super::relay::Row;
use super::table::{figure, mib, table};

const HEAD: [&str; 12] = [
    "relay",
    "per conn",
    "size",
    "sessions",
    "delay",
    "msg/s",
    "× direct",
    "median ms",
    "p99 ms",
    "CPU s/1000",
    "peak MiB",
    "upstream",
];

/// The whole run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    cores: usize,
    rounds: u32,
    seconds: f64,
    lab: &'static str,
    results: Vec<Line>,
    /// Of each relay that is a process.
    pub(super) memory: Vec<Memory>,
}

/// One case through one relay: medians of the rounds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    relay: &'static str,
    per_connection: PerConnection,
    messages_per_connection: u32,
    size: Size,
    sessions: u32,
    delay_ms: u128,
    /// Messages a second, of the direct path's.
    of_direct: Option<f64>,
    #[serde(flatten)]
    figures: Round,
}

impl Report {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            rounds: options.rounds(),
            seconds: options.time().as_secs_f64(),
            lab: "in the load's process, on threads of its own",
            results: Vec::new(),
            memory: Vec::new(),
        }
    }

    /// Adds one case: for each row its rounds.
    pub(super) fn add(&mut self, case: &Case, rows: &[Row], rounds: &[Vec<Round>]) {
        let medians: Vec<(Row, Round)> =
            rows.iter().zip(rounds).map(|(&row, rounds)| (row, Round::median(rounds))).collect();
        let direct = medians.iter().find(|(row, _)| *row == Row::Direct);
        let direct = direct.map(|(_, figures)| figures.messages_per_second).filter(|&rate| rate > 0.0);
        self.results.extend(medians.into_iter().map(|(row, figures)| Line {
            relay: row.name(),
            per_connection: case.per_connection,
            messages_per_connection: case.messages(),
            size: case.size,
            sessions: case.sessions,
            delay_ms: case.delay.as_millis(),
            of_direct: direct.map(|direct| figures.messages_per_second / direct),
            figures,
        }));
    }
}

impl Line {
    fn cells(&self) -> Vec<String> {
        let figures = &self.figures;
        let optional = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), figure);
        vec![
            self.relay.to_owned(),
            self.messages_per_connection.to_string(),
            self.size.name().to_owned(),
            self.sessions.to_string(),
            format!("{} ms", self.delay_ms),
            figure(figures.messages_per_second),
            optional(self.of_direct),
            figure(figures.median_ms),
            figure(figures.p99_ms),
            optional(figures.cpu_per_1000),
            figures.peak_resident.map_or_else(|| "-".to_owned(), mib),
            format!("{:.0} ({:.0})", figures.upstream_open, figures.upstream_dialled),
        ]
    }

    fn refusal(&self) -> Option<String> {
        let words = self.figures.refusal.as_deref()?;
        let cells = self.cells();
        let case = cells.get(..5)?.join(", ");
        Some(format!("refused: {case}: {} connections; the first: {words}\n", self.figures.refused))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} cores; medians of {} round(s) of {} s each; the lab: {};\n\
             upstream: connections to the lab open at once (dialled)\n",
            self.cores, self.rounds, self.seconds, self.lab
        )?;
        let lines: Vec<Vec<String>> = self.results.iter().map(Line::cells).collect();
        f.write_str(&table(&HEAD, &lines))?;
        self.results.iter().filter_map(Line::refusal).try_for_each(|refusal| f.write_str(&refusal))?;
        self.memory.iter().try_for_each(|memory| write!(f, "\n{memory}"))
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heard = self.large_refusal.as_ref().map(|words| format!(" ({words})")).unwrap_or_default();
        writeln!(f, "memory of {}, resident:", self.relay)?;
        writeln!(f, "  idle                                  {} MiB", mib(self.idle))?;
        writeln!(
            f,
            "  ten messages of 25 MB at once, peak   {} MiB; {} of 10 accepted{heard}",
            mib(self.large_peak),
            self.large_accepted
        )?;
        writeln!(
            f,
            "  a thousand idle sessions              {} MiB; {} of 1000 greeted",
            mib(self.sessions),
            self.sessions_greeted
        )
    }
}
