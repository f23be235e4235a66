//! Imports any bytes as a raw classic BPF program.

#![no_main]

use testkit::hostile::profiles;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| profiles::bpf(bytes));
