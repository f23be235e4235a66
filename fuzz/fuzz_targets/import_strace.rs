//! Imports any bytes as a log of strace.

#![no_main]

use testkit::hostile::properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::import_strace(bytes));
