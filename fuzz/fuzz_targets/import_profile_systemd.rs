//! Imports any bytes as a unit of systemd.

#![no_main]

use testkit::hostile::profiles;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| profiles::systemd(bytes));
