//! The programs that a cluster is made of, and where each comes from.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::cache::Cache;
use super::golang;
use super::progress::Progress;
use super::versions;

/// In the order in which they are built: the first is what all tests need.
pub(crate) const OF_KUBERNETES: [&str; 6] =
    ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kubelet", "kube-proxy"];

const COREDNS: &str = "coredns";

/// The ecosystem's own way to name a folder that already holds `etcd`, `kube-apiserver`, `kubectl`.
const ASSETS: &str = "KUBEBUILDER_ASSETS";

/// What such a folder holds.
const GIVEN: [&str; 3] = ["etcd", "kube-apiserver", "kubectl"];

/// Paths of the programs that are there, and why the others are not.
#[derive(Debug)]
pub(crate) struct Components {
    found: BTreeMap<&'static str, PathBuf>,
    lacking: BTreeMap<&'static str, String>,
}

impl Components {
    /// Finds what was built before, and builds the rest.
    pub(crate) fn prepare(cache: &Cache, progress: Progress) -> Result<Self> {
        let mut this = Self::look(cache);
        if this.lacking.is_empty() {
            return Ok(this);
        }
        if let Err(reason) = golang::usable() {
            this.lacking.values_mut().for_each(|why| *why = reason.clone());
            return Ok(this);
        }
        let _lock = cache.lock(progress)?;
        this = Self::look(cache); // another run may have built them meanwhile
        let wanted: Vec<&'static str> = OF_KUBERNETES
            .into_iter()
            .chain([COREDNS])
            .filter(|name| this.lacking.contains_key(name))
            .collect();
        for (index, name) in wanted.iter().copied().enumerate() {
            let version = version(name);
            let what = format!("building {name} {version} ({} of {})", index + 1, wanted.len());
            let folder = folder(cache, name);
            let built = if name == COREDNS {
                golang::coredns(&folder, &what, progress)
            } else {
                golang::kubernetes(name, &folder, &what, progress)
            };
            if let Err(error) = built {
                // Who asks for one that is missing hears of it; the others may do for what is asked.
                let reason = format!("{error:#}");
                progress.say(&reason);
                this.lacking.values_mut().for_each(|why| why.clone_from(&reason));
                break;
            }
            this.lacking.remove(name);
            this.found.insert(name, folder.join(name));
        }
        Ok(this)
    }

    fn look(cache: &Cache) -> Self {
        let mut this = Self { found: BTreeMap::new(), lacking: BTreeMap::new() };
        for name in OF_KUBERNETES.into_iter().chain([COREDNS]) {
            let built = folder(cache, name).join(name);
            match given(name) {
                Some(path) => drop(this.found.insert(name, path)),
                None if built.is_file() => drop(this.found.insert(name, built)),
                None => drop(this.lacking.insert(name, "it was not built".to_owned())),
            }
        }
        if let Some(path) = given("etcd").or_else(|| in_path("etcd")) {
            this.found.insert("etcd", path);
        }
        this
    }

    /// A program that nothing works without.
    pub(crate) fn need(&self, name: &str) -> Result<&Path> {
        self.get(name).map_err(anyhow::Error::msg)
    }

    /// A program, or a sentence that says why it is not there.
    pub(crate) fn get(&self, name: &str) -> Result<&Path, String> {
        self.found.get(name).map(PathBuf::as_path).ok_or_else(|| {
            let why = self.lacking.get(name).map_or("it is not in PATH", String::as_str);
            let or = if GIVEN.contains(&name) {
                format!("; or let {ASSETS} name a folder that holds it")
            } else {
                String::new()
            };
            format!("there is no {name}: {why}{or}")
        })
    }
}

/// What the user gives us.
pub(crate) fn given(name: &str) -> Option<PathBuf> {
    let folder = env::var_os(ASSETS).filter(|folder| !folder.is_empty())?;
    Some(Path::new(&folder).join(name)).filter(|path| path.is_file())
}

/// Finds a program as a shell would, and where root's programs usually are.
pub(crate) fn in_path(program: impl AsRef<OsStr>) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(program.as_ref()))
        .find(|path| path.is_file())
}

/// Like [`in_path`], for a program that nothing works without.
pub(crate) fn need_in_path(program: &str) -> Result<PathBuf> {
    in_path(program).with_context(|| format!("there is no {program} in PATH"))
}

fn version(name: &str) -> &'static str {
    if name == COREDNS { versions::COREDNS } else { versions::KUBERNETES }
}

fn folder(cache: &Cache, name: &str) -> PathBuf {
    if name == COREDNS {
        let source = Sha256::digest(golang::COREDNS_SOURCE); // with other plugins it is another one
        let source: String = source.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        return cache.folder(COREDNS, &format!("{}-{source}", versions::COREDNS));
    }
    cache.folder("kubernetes", versions::KUBERNETES)
}
