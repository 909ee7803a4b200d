//! The YAML in this folder is what the types say.

use std::{fs, path::Path};

use mail_egress_crds::definitions::{definitions, file_name, to_yaml};

#[test]
fn the_yaml_is_made_from_the_types() {
    for definition in definitions() {
        let name = file_name(&definition);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&name);
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == to_yaml(&definition).unwrap(),
            "crds/{name} is not what the types say; make it anew by\n    cargo run -p mail-egress-crds --bin generate-crds\nand look at the difference"
        );
    }
}

#[test]
fn no_other_definition_lies_beside_them() {
    let known: Vec<String> = definitions().iter().map(file_name).collect();
    for entry in fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.ends_with(".yaml") || known.contains(&name), "crds/{name} belongs to no kind");
    }
}
