//! Imports any bytes as a unit of systemd.

#![no_main]

#[path = "../profiles.rs"]
mod profiles;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| profiles::systemd(bytes));
