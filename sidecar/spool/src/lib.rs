//! Messages that were answered 250, kept on a volume until the relay has them.
//!
//! Blocking files and nothing else: no runtime, no network, no clock (`now` is passed in), no log.
//!
//! ```text
//! ROOT/POD/lock          held while a process uses the folder; a restarted one takes it over
//!         /ID.tmp        a message on its way in: never answered 250, removed on open
//!         /ID.mail       ready     ─┐
//!         /ID.dotted     dotted     │ one file, renamed; its octets never change
//!         /dead/ID.mail  dead      ─┘
//!         /dead/ID.json  why it is dead
//!         /ID.state      attempts, next time, last reason; replaced as a whole, may be absent
//! ```
//!
//! ```text
//!  begin, write          commit            dot                    done
//!   ID.tmp ─────────────────────▶ ID.mail ─────▶ ID.dotted ───────────────▶ (gone)
//!                                  │  ▲             │  │
//!                                  │  └─── retry ───┘  │
//!                                  └─ bury ──────┬─────┘
//!                                                ▼
//!                                        dead/ID.mail + .json
//! ```
//!
//! What a process killed at any instant, or a node without power, leaves:
//!
//! | killed | left behind | on the next open |
//! |---|---|---|
//! | before `commit`'s rename | `ID.tmp` | removed: 250 was never said |
//! | between rename and return of `commit` | `ID.mail`, perhaps | sent, though the app may try again |
//! | after `commit` | `ID.mail`, synced | sent |
//! | after `dot` | `ID.dotted`, synced | returned as dotted: the outcome is uncertain |
//! | within `retry` | `ID.state` old or new, `ID.dotted` or `ID.mail` | as it is found |
//! | within `done` | `ID.dotted`, or nothing | uncertain, or gone |
//! | within `bury`, the `.json` written | the entry in both places | the burial is completed |
//!
//! A message costs two syncs to be taken (its octets, the folder), one for the mark before the dot
//! and one for its end. `ID.state` is not synced: without it a message is tried sooner, no more.
//!
//! Dead letters count against the limits, and this crate never deletes one: a person does.

mod after;
mod dead;
mod draft;
mod entry;
mod error;
mod folder;
mod format;
mod id;
mod open;
mod schedule;
mod spool;

pub use after::{Ended, IfUncertain, Step, Why, after};
pub use dead::Death;
pub use draft::{Draft, Spooled};
pub use entry::{Dsn, Envelope, Progress, RecipientDsn, Ticket};
pub use error::{LoadError, OpenError, SpoolError};
pub use format::{Head, Letter};
pub use id::{Id, IdError};
pub use open::{Limits, Recovered, SetAside, pods_with_mail, sender_folder};
pub use schedule::{Next, Schedule};
pub use spool::{Spool, Standing};
