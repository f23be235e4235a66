//! Reads any bytes as a policy file.

#![no_main]

use testkit::hostile::properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::read_policy_file(bytes));
