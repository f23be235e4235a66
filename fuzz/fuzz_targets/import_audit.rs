//! Imports any bytes as an audit log.

#![no_main]

use testkit::hostile::properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::import_audit(bytes));
