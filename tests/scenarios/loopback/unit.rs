//! The example of a systemd unit, as systemd reads it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use mail_egress_tests::debian;
use mail_egress_tests::programs::Programs;
use tokio::process::Command;

const UNIT: &str = "examples/systemd/mail-egress-sidecar.service";

/// What systemd has to say against it, with the program where it was built.
async fn verified(unit: &str) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("mail-egress-sidecar.service");
    fs::write(&path, unit)?;
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path).output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[tokio::test]
async fn systemd_has_nothing_to_say_against_the_unit() -> Result<()> {
    debian::provide(&[("/usr/bin/systemd-analyze", "systemd")])?;
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(UNIT);
    let unit = fs::read_to_string(&place).with_context(|| place.display().to_string())?;
    let built = Programs::build_sidecar()?.sidecar().display().to_string();
    let unit = unit.replace("/usr/local/bin/mail-egress-sidecar", &built);
    ensure!(unit.contains(&built), "the unit does not start it from /usr/local/bin");
    let said = verified(&unit).await?;
    ensure!(said.is_empty(), "{said}");
    // it does look
    let said = verified(&unit.replace("ProtectSystem=", "ProtectSistem=")).await?;
    ensure!(said.contains("ProtectSistem"), "a wrong setting was not seen: {said}");
    Ok(())
}
