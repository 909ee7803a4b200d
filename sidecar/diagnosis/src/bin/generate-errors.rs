//! Writes `docs/errors.md` from the table.

use std::{fs, io, path::Path};

fn main() -> io::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors.md");
    fs::write(&path, mail_egress_diagnosis::page())?;
    eprintln!("wrote docs/errors.md");
    Ok(())
}
