//! See [`mail_egress_fuzz::diagnosis`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mail_egress_fuzz::diagnosis(input));
