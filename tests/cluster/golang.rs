//! Builds the components from their Go modules: no package carries them.
//!
//! A module without any code of ours requires `k8s.io/kubernetes` and names its commands as tools.
//! Kubernetes' own go.mod replaces its staging modules by folders, which only works inside its own
//! tree; outside, each stands for the published module of the same release.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::cache;
use super::processes::tail;
use super::progress::Progress;
use super::versions;

/// The module that all components come from.
const KUBERNETES_MODULE: &str = "k8s.io/kubernetes";

/// CoreDNS with few plugins.
pub(crate) const COREDNS_SOURCE: &str = include_str!("go/coredns.go");

/// What Kubernetes 1.35 and the pinned CoreDNS ask for.
const OLDEST_GO: (u32, u32) = (1, 25);

/// Whether there is a Go that can build the components; if not, a sentence that says so.
pub(crate) fn usable() -> Result<(), String> {
    let wanted = format!("Go {}.{} or newer", OLDEST_GO.0, OLDEST_GO.1);
    let output = Command::new("go")
        .arg("version")
        .output()
        .map_err(|_| format!("{wanted} is needed to build it, and there is no `go` in PATH"))?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match release(&said) {
        Some(found) if found >= OLDEST_GO => Ok(()),
        _ => Err(format!("{wanted} is needed to build it, and `go version` says: {said}")),
    }
}

/// A Kubernetes component, by the name of its command.
pub(crate) fn kubernetes(component: &str, folder: &Path, what: &str, progress: Progress) -> Result<()> {
    let version = versions::KUBERNETES;
    let module = kubernetes_module(folder, progress)?;
    let (major, minor) = major_minor(version)?;
    let flags = format!(
        "-s -w -X k8s.io/component-base/version.gitVersion={version} \
         -X k8s.io/component-base/version.gitMajor={major} -X k8s.io/component-base/version.gitMinor={minor}"
    );
    compile(
        &module,
        &format!("{KUBERNETES_MODULE}/cmd/{component}"),
        component,
        &flags,
        folder,
        what,
        progress,
    )
}

/// CoreDNS, with few plugins.
pub(crate) fn coredns(folder: &Path, what: &str, progress: Progress) -> Result<()> {
    let version = versions::COREDNS;
    let module = folder.join("module");
    if !module.exists() {
        let place = cache::workplace(folder)?;
        let go = format!("{}.{}", OLDEST_GO.0, OLDEST_GO.1);
        fs::write(
            place.join("go.mod"),
            format!(
                "module mail-egress.io/coredns\n\ngo {go}\n\nrequire github.com/coredns/coredns {version}\n"
            ),
        )?;
        fs::write(place.join("main.go"), COREDNS_SOURCE)?;
        tidy(&place, "CoreDNS", progress)?;
        cache::publish(&place, &module)?;
    }
    compile(&module, ".", "coredns", "-s -w", folder, what, progress)
}

/// The folder with the module, made at first need: the dependencies are resolved once.
fn kubernetes_module(folder: &Path, progress: Progress) -> Result<PathBuf> {
    let version = versions::KUBERNETES;
    let module = folder.join("module");
    if module.exists() {
        return Ok(module);
    }
    let place = cache::workplace(folder)?;
    progress.say(format!("fetching Kubernetes {version}"));
    let fetched = Command::new("go")
        .args(["mod", "download", "-json", &format!("{KUBERNETES_MODULE}@{version}")])
        .current_dir(&place)
        .env("GOWORK", "off")
        .output()
        .context("cannot run go")?;
    ensure!(
        fetched.status.success(),
        "go cannot fetch Kubernetes {version}: {} {}",
        String::from_utf8_lossy(&fetched.stdout).trim(),
        String::from_utf8_lossy(&fetched.stderr).trim()
    );
    let answer: serde_json::Value =
        serde_json::from_slice(&fetched.stdout).context("go mod download did not answer in JSON")?;
    let upstream = answer["GoMod"].as_str().context("go mod download names no GoMod")?;
    let upstream = fs::read_to_string(upstream).with_context(|| format!("cannot read {upstream}"))?;
    fs::write(place.join("go.mod"), go_mod(&upstream, version)?)?;
    tidy(&place, "Kubernetes", progress)?;
    cache::publish(&place, &module)?;
    Ok(module)
}

fn tidy(place: &Path, what: &str, progress: Progress) -> Result<()> {
    let log = place.join("tidy.log");
    let mut command = Command::new("go");
    command.args(["mod", "tidy"]).current_dir(place).env("GOWORK", "off");
    let status = progress.run(&format!("fetching what {what} is made of"), &mut command, &log)?;
    ensure!(status.success(), "go mod tidy for {what} failed: {}", tail(&log));
    Ok(())
}

fn compile(
    module: &Path,
    package: &str,
    name: &str,
    flags: &str,
    folder: &Path,
    what: &str,
    progress: Progress,
) -> Result<()> {
    let place = cache::workplace(folder)?;
    let log = place.join("build.log");
    let built = place.join(name);
    let mut command = Command::new("nice"); // it takes all cores for minutes
    command
        .args(["go", "build", "-buildvcs=false", "-trimpath", "-ldflags", flags, "-o"])
        .arg(&built)
        .arg(package)
        .current_dir(module)
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off");
    let status = progress.run(what, &mut command, &log)?;
    ensure!(status.success(), "{what} failed: {}", tail(&log));
    cache::publish(&built, &folder.join(name))?;
    fs::remove_dir_all(&place)?;
    Ok(())
}

/// Our go.mod, made from the one of Kubernetes itself.
fn go_mod(upstream: &str, version: &str) -> Result<String> {
    let Some(staging) = version.strip_prefix("v1.") else {
        bail!("{version} is no version of Kubernetes 1");
    };
    let mut head = String::new();
    let mut replaced = String::new();
    let mut in_replace = false;
    for line in upstream.lines().map(str::trim) {
        if line.starts_with("go ") || line.starts_with("godebug ") {
            head.push_str(line);
            head.push('\n');
        }
        in_replace = match line {
            "replace (" => true,
            ")" => false,
            _ => in_replace,
        };
        let one = if in_replace { Some(line) } else { line.strip_prefix("replace ") };
        if let Some((module, by)) = one.and_then(|line| line.split_once(" => ")) {
            if by.starts_with("./staging/") {
                replaced.push_str(&format!("\t{module} => {module} v0.{staging}\n"));
            } else {
                replaced.push_str(&format!("\t{module} => {by}\n"));
            }
        }
    }
    ensure!(!replaced.is_empty(), "Kubernetes' go.mod replaces no staging modules: its shape has changed");
    let tools: String = super::components::OF_KUBERNETES
        .iter()
        .map(|name| format!("tool {KUBERNETES_MODULE}/cmd/{name}\n"))
        .collect();
    Ok(format!(
        "module mail-egress.io/kubernetes\n\n{head}\nrequire {KUBERNETES_MODULE} {version}\n\n{tools}\nreplace (\n{replaced})\n"
    ))
}

/// `go version go1.26.8 linux/amd64` → (1, 26)
fn release(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said.strip_prefix("go version go")?.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// `v1.35.4` → ("1", "35")
fn major_minor(version: &str) -> Result<(&str, &str)> {
    let mut parts = version.trim_start_matches('v').split('.');
    parts.next().zip(parts.next()).with_context(|| format!("{version} is no version"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPSTREAM: &str = "module k8s.io/kubernetes\n\ngo 1.25.0\n\ngodebug default=go1.25\n\nrequire (\n\tk8s.io/api v0.0.0\n)\n\n\
        replace (\n\tk8s.io/api => ./staging/src/k8s.io/api\n\tk8s.io/kubelet => ./staging/src/k8s.io/kubelet\n)\n\n\
        replace example.com/a => example.com/b v1.2.3\n";

    #[test]
    fn staging_folders_become_published_modules() {
        let rendered = go_mod(UPSTREAM, "v1.35.4").unwrap();
        assert!(rendered.contains("\tk8s.io/api => k8s.io/api v0.35.4\n"), "{rendered}");
        assert!(rendered.contains("\tk8s.io/kubelet => k8s.io/kubelet v0.35.4\n"), "{rendered}");
        assert!(!rendered.contains("staging"), "{rendered}");
    }

    #[test]
    fn what_decides_how_go_compiles_is_kept() {
        let rendered = go_mod(UPSTREAM, "v1.35.4").unwrap();
        assert!(rendered.contains("\ngo 1.25.0\ngodebug default=go1.25\n"), "{rendered}");
        assert!(rendered.contains("\texample.com/a => example.com/b v1.2.3\n"), "{rendered}");
        assert!(rendered.contains("tool k8s.io/kubernetes/cmd/kubelet\n"), "{rendered}");
    }

    #[test]
    fn a_go_mod_without_staging_modules_is_an_error() {
        assert!(go_mod("module k8s.io/kubernetes\n\ngo 1.25.0\n", "v1.35.4").is_err());
    }

    #[test]
    fn go_versions_compare_by_number() {
        assert_eq!(release("go version go1.26.8 linux/amd64"), Some((1, 26)));
        assert_eq!(release("go version go1.9rc2 linux/amd64"), Some((1, 9)));
        assert_eq!(release("gccgo (Debian) 12.2"), None);
    }
}
