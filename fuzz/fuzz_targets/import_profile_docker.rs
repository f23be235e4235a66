//! Imports any bytes as a profile of Docker.

#![no_main]

#[path = "../profiles.rs"]
mod profiles;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| profiles::docker(bytes));
