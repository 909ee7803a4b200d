//! How long messages take, and how large they are.

use prometheus::{Histogram, HistogramVec};

use super::register::New;

/// In seconds; the last is the longest that a client waits after the dot (RFC 5321 section
/// 4.5.3.2.6).
const DELIVERY: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 600.0];
/// In seconds. Fewer, since there are as many series for each phase, and all that in each pod.
const PHASE: &[f64] = &[0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
/// In octets. The last two are Exchange's usual limit and its highest (fact sheet B, "Limits").
const SIZE: &[f64] = &[
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    36_700_160.0,
    157_286_400.0,
];

#[derive(Debug)]
pub(super) struct Histograms {
    pub(super) delivery: Histogram,
    pub(super) size: Histogram,
    pub(super) phases: HistogramVec,
}

impl Histograms {
    pub(super) fn new(all: &New<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            delivery: all.histogram(
                "delivery_seconds",
                "Time from the app's final dot to the answer it got.",
                DELIVERY,
            )?,
            size: all.histogram(
                "message_size_bytes",
                "Size of the messages that came as a whole, whatever became of them.",
                SIZE,
            )?,
            phases: all.histograms(
                "phase_seconds",
                "Time that a message spent in each phase: hold (before its 354), receive, wait (for a place \
                 upstream behind the dot), connect, login, transfer; of the last attempt, and only phases that \
                 it went through.",
                "phase",
                PHASE,
            )?,
        })
    }
}
