//! The project's own programs, built and found for the tests that run them as processes.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use anyhow::{Context, Result, ensure};

/// `mail-egress-sidecar` and `mail-egress-operator`, as cargo built them beside this program.
#[derive(Clone, Debug)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Builds both (a moment, when they are up to date), so that no test runs yesterday's code.
    ///
    /// # Errors
    /// When cargo is not to be found or the build fails; cargo's own words are on stderr.
    pub fn build() -> Result<Self> {
        Self::build_packages(&["mail-egress-sidecar", "mail-egress-operator"])
    }

    /// Builds the sidecar alone.
    ///
    /// # Errors
    /// When cargo is not to be found or the build fails; cargo's own words are on stderr.
    pub fn build_sidecar() -> Result<Self> {
        // many tests of one process ask at once, and cargo would make them wait for each other
        static BUILT: OnceLock<Result<Programs, String>> = OnceLock::new();
        let build = || Self::build_packages(&["mail-egress-sidecar"]).map_err(|error| format!("{error:#}"));
        BUILT.get_or_init(build).clone().map_err(anyhow::Error::msg)
    }

    fn build_packages(packages: &[&str]) -> Result<Self> {
        let folder = folder_of_this_program()?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        // what cargo told this test of its own package would make it build dependencies anew that
        // look at the same names: ring, and all above it
        let own = ["CARGO_PKG_", "CARGO_MANIFEST_"];
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| own.iter().any(|prefix| name.starts_with(prefix))) {
                build.env_remove(name);
            }
        }
        let built = build
            .args(["build", "--quiet"])
            .args(packages.iter().flat_map(|package| ["-p", package]))
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
            .stdin(Stdio::null())
            .status()
            .context("cargo could not be started")?;
        ensure!(built.success(), "cargo build failed");
        Ok(Self { folder })
    }

    /// The sidecar's program.
    #[must_use]
    pub fn sidecar(&self) -> PathBuf {
        self.folder.join("mail-egress-sidecar")
    }

    /// The operator's program.
    #[must_use]
    pub fn operator(&self) -> PathBuf {
        self.folder.join("mail-egress-operator")
    }
}

/// `target/debug`, from `target/debug/deps/test-…` or `target/debug/demo`.
fn folder_of_this_program() -> Result<PathBuf> {
    let me = std::env::current_exe().context("this program's own path")?;
    let folder = me.parent().context("this program has no folder")?;
    let folder =
        if folder.ends_with("deps") { folder.parent().context("deps has no parent")? } else { folder };
    Ok(folder.to_owned())
}
