//! Imports any bytes as a trace of sandprint 0.1.

#![no_main]

#[path = "../properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::import_sandprint01(bytes));
