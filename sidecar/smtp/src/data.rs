//! Message bodies: taken out of the DATA framing, looked at, and put into it again.

mod lines;
mod scan;
mod stuff;
mod unstuff;

pub use lines::Lines;
pub use scan::{Content, Scan};
pub use stuff::Stuffer;
pub use unstuff::{Unstuffed, Unstuffer};
