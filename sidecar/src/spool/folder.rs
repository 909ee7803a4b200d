//! Opening the folders: this pod's own, and those of pods of the same sender that are gone.
//!
//! On the volume each sender has a folder, `NAMESPACE_NAME`, and in it each pod one of its own. A pod
//! that is gone, as those of a Deployment are for good, leaves its lock free: whoever takes it sends
//! what lies there.

use std::path::PathBuf;

use jiff::Timestamp;
use mail_egress_spool::{OpenError, Recovered, Spool, pods_with_mail, sender_folder};
use tokio::task::spawn_blocking;

use super::{Own, Queue};

/// Where another pod has taken over our folder and is not through with it, one of these is ours:
/// `NAME`, `NAME.2`, `NAME.3`.
const NAMES: [&str; 3] = ["", ".2", ".3"];

/// A folder that was taken, with what lies in it.
type Taken = (Spool, Recovered);

impl Queue {
    /// Opens this pod's folder, if it is not open: what an earlier process left is to be sent.
    pub async fn open(&self) {
        if !matches!(self.state().own, Own::Unusable(_)) {
            return;
        }
        let queue = self.clone();
        let opened = spawn_blocking(move || queue.take_own(Timestamp::now())).await;
        match opened.unwrap_or_else(|gone| Err(gone.to_string())) {
            Ok((spool, recovered)) => {
                tracing::info!(
                    waiting = recovered.tickets.len(),
                    dead = spool.standing().dead,
                    unfinished_removed = recovered.drafts,
                    limit_bytes = spool.limits().octets,
                    "the spool is open"
                );
                self.fill(&spool, recovered);
                self.state().own = Own::Open(spool);
            }
            Err(why) => self.unusable(why),
        }
    }

    /// Takes the folders that other pods of this sender have left with messages in them.
    pub(super) async fn adopt(&self) {
        let queue = self.clone();
        let adopted = spawn_blocking(move || queue.take_left(Timestamp::now())).await;
        for (pod, (spool, recovered)) in adopted.unwrap_or_default() {
            tracing::warn!(
                pod,
                waiting = recovered.tickets.len(),
                "messages of a pod that is gone are sent from here"
            );
            self.fill(&spool, recovered);
        }
    }

    fn fill(&self, spool: &Spool, recovered: Recovered) {
        for damaged in recovered.set_aside {
            tracing::error!(id = %damaged.id, why = damaged.why, "a spooled file is damaged and lies among the dead letters");
        }
        for ticket in recovered.tickets {
            self.add(spool.clone(), ticket);
        }
    }

    /// Says so in the log once for each new reason.
    fn unusable(&self, why: String) {
        let mut state = self.state();
        if !matches!(&state.own, Own::Unusable(before) if *before == why) {
            tracing::error!(why, "the spool cannot be used; it is tried again every few seconds");
            state.own = Own::Unusable(why);
        }
    }

    /// Blocks for as long as the disk does.
    fn take_own(&self, now: Timestamp) -> Result<Taken, String> {
        let settings = &self.0.settings;
        let folder = self.sender_folder().map_err(|error| error.to_string())?;
        let mut taken = Err(OpenError::Missing(folder.clone()));
        for suffix in NAMES {
            taken = Spool::open(&folder, &format!("{}{suffix}", settings.name), settings.limits(), now);
            if !matches!(taken, Err(OpenError::Locked { .. })) {
                break;
            }
        }
        taken.map_err(|error| error.to_string())
    }

    fn sender_folder(&self) -> Result<PathBuf, OpenError> {
        let settings = &self.0.settings;
        let root = settings.root.as_deref().unwrap_or_else(|| std::path::Path::new(""));
        sender_folder(root, &format!("{}_{}", settings.sender.namespace, settings.sender.name))
    }

    fn take_left(&self, now: Timestamp) -> Vec<(String, Taken)> {
        let Ok(folder) = self.sender_folder() else { return Vec::new() };
        let take = |pod: String| match Spool::open(&folder, &pod, self.0.settings.limits(), now) {
            Ok(taken) => Some((pod, taken)),
            // alive, or somebody was quicker
            Err(OpenError::Locked { .. }) => None,
            Err(error) => {
                tracing::warn!(pod, %error, "messages of a pod that is gone cannot be taken over");
                None
            }
        };
        pods_with_mail(&folder).unwrap_or_default().into_iter().filter_map(take).collect()
    }
}
