//! Which libraries a program needs to run elsewhere.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The dynamic loader and all libraries, none for a static program or a script.
pub(crate) fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    if !program.is_file() {
        bail!("there is no program {}", program.display());
    }
    let output = Command::new("ldd").arg(program).env("LC_ALL", "C").output().context("cannot run ldd")?;
    // A static program makes ldd fail, and what it prints says so.
    parse(&String::from_utf8_lossy(&output.stdout)).with_context(|| format!("in {}", program.display()))
}

fn parse(said: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for line in said.lines().map(str::trim) {
        // `name => path (address)`, `path (address)`, or the kernel's own `linux-vdso.so.1 (address)`
        let (name, place) = line.split_once(" => ").unwrap_or((line, line));
        if place == "not found" {
            bail!("the library {name} is missing on this machine");
        }
        let path = place.rsplit_once(" (").map_or(place, |(path, _)| path);
        if path.starts_with('/') {
            found.push(PathBuf::from(path));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loader_and_libraries_are_found_and_the_kernels_own_is_not() {
        let said = "\tlinux-vdso.so.1 (0x00007ffd)\n\
            \tlibgcc_s.so.1 => /lib/x86_64-linux-gnu/libgcc_s.so.1 (0x00007f01)\n\
            \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f00)\n\
            \t/lib64/ld-linux-x86-64.so.2 (0x00007f02)\n";
        let expected = [
            "/lib/x86_64-linux-gnu/libgcc_s.so.1",
            "/lib/x86_64-linux-gnu/libc.so.6",
            "/lib64/ld-linux-x86-64.so.2",
        ];
        assert_eq!(parse(said).unwrap(), expected.map(PathBuf::from));
    }

    #[test]
    fn a_static_program_needs_nothing() {
        assert_eq!(parse("\tstatically linked\n").unwrap(), Vec::<PathBuf>::new());
        assert_eq!(parse("\tnot a dynamic executable\n").unwrap(), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_missing_library_is_named() {
        let error = parse("\tlibssl.so.3 => not found\n").unwrap_err();
        assert_eq!(error.to_string(), "the library libssl.so.3 is missing on this machine");
    }
}
