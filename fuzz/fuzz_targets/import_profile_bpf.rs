//! Imports any bytes as a raw classic BPF program.

#![no_main]

#[path = "../profiles.rs"]
mod profiles;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| profiles::bpf(bytes));
