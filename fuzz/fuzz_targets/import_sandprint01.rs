//! Imports any bytes as a trace of sandprint 0.1.

#![no_main]

use testkit::hostile::properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::import_sandprint01(bytes));
