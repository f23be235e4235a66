//! Reads any bytes as a trace.

#![no_main]

use testkit::hostile::properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::decode_trace(bytes));
