//! Every input of the corpus holds, without a fuzzer.

use std::{fs, path::Path};

use mail_egress_fuzz::TARGETS;

#[test]
fn every_input_of_the_corpus_holds() {
    for (name, target) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let mut inputs: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        inputs.sort();
        assert!(inputs.len() >= 5, "{name}: {} inputs", inputs.len());
        for input in inputs {
            let octets = fs::read(&input).unwrap();
            let held = std::panic::catch_unwind(|| target(&octets));
            assert!(held.is_ok(), "{}", input.display());
        }
    }
}
