//! Taking a run down: our own in order, and what dead runs left by force.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;

use super::cgroups;
use super::host;
use super::processes;
use super::progress::Progress;
use super::run::{Base, Fate, Run};
use super::running::Running;
use super::sysctls;

/// The name of the run's network namespace, by which its processes are known.
pub(crate) const NETWORK: &str = "network";

/// Pods that do not end by then are killed with the rest.
const FOR_PODS: &str = "8s";
const FOR_COMPONENTS: Duration = Duration::from_secs(3);

/// Ends and removes all runs whose owner is dead. The caller holds the base's lock.
pub(crate) fn sweep(base: &Base, progress: Progress) -> Result<Vec<String>> {
    base.remove_hidden();
    let mut swept = Vec::new();
    for run in base.runs()? {
        match run.fate() {
            Fate::Lives => continue,
            Fate::Orphaned => {
                progress.say(format!("sweeping up what the dead run {} left", run.id));
                kill(&run);
                cgroups::remove(&run);
            }
            Fate::Outlived => {
                progress.say(format!("removing the files of {}, from before the restart", run.id));
            }
        }
        run.remove();
        swept.push(run.id);
    }
    if base.runs()?.is_empty() {
        sysctls::restore(base);
    }
    Ok(swept)
}

/// Takes a run down whose owner lives: pods first, so that their containers end as they would anywhere.
pub(crate) fn take_down(base: &Base, run: &Run) {
    if let Some(running) = Running::load(run) {
        end_pods(run, &running);
    }
    processes::end(run, &["kube-proxy", "kubelet"], FOR_COMPONENTS);
    processes::end(run, &["coredns", "kube-scheduler", "kube-controller-manager"], FOR_COMPONENTS);
    processes::end(run, &["kube-apiserver"], FOR_COMPONENTS);
    processes::end(run, &["etcd", "containerd"], FOR_COMPONENTS);
    kill(run);
    cgroups::remove(run);
    if let Ok(_lock) = base.lock() {
        run.remove();
        if base.runs().is_ok_and(|left| left.is_empty()) {
            sysctls::restore(base);
        }
    }
}

/// Controllers end before, or they would make new pods.
fn end_pods(run: &Run, running: &Running) {
    let mut list = running.kubectl();
    list.args(["get", "pods", "--all-namespaces", "--output=name", "--request-timeout=3s"]);
    if processes::answer(&mut list).is_ok_and(|pods| !pods.is_empty()) {
        processes::end(run, &["kube-controller-manager"], FOR_COMPONENTS);
        let mut delete = running.kubectl();
        delete.args(["delete", "pods", "--all", "--all-namespaces", "--grace-period=1", "--wait"]);
        delete.args(["--timeout", FOR_PODS]);
        let _ = processes::answer(&mut delete);
    }
}

/// Kills every process of the run but those that this one descends from. With the anchor die all that
/// were born in its process namespace; the network's name finds programs that users started in it.
fn kill(run: &Run) {
    for (pid, _) in processes::recorded(run) {
        let _ = host::signal(pid, Signal::SIGKILL);
    }
    let spared = host::lineage();
    let network = fs::read_to_string(run.path(NETWORK)).unwrap_or_default();
    let inside = |pid: &i32| {
        !spared.contains(pid)
            && !network.is_empty()
            && host::stat(*pid).is_some()
            && fs::read_link(format!("/proc/{pid}/ns/net"))
                .is_ok_and(|link| link.to_string_lossy() == network)
    };
    host::poll(FOR_COMPONENTS, || {
        let left: Vec<i32> = host::pids().into_iter().filter(inside).collect();
        for pid in &left {
            let _ = host::signal(*pid, Signal::SIGKILL);
        }
        left.is_empty() && processes::recorded(run).is_empty()
    });
}
