//! What the crate guarantees: case by case, and by simulation.
#![cfg(test)]

#[path = "pacing/cases.rs"]
mod cases;
#[path = "pacing/simulation.rs"]
mod simulation;
