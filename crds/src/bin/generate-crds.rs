//! Writes the CustomResourceDefinitions of the four kinds into the folder `crds/`.

use std::{error::Error, fs, path::Path};

use mail_egress_crds::definitions::{definitions, file_name, to_yaml};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    for definition in definitions() {
        let path = folder.join(file_name(&definition));
        fs::write(&path, to_yaml(&definition)?).map_err(|error| format!("{}: {error}", path.display()))?;
        eprintln!("wrote {}", path.display());
    }
    Ok(())
}
