//! Imports any bytes as a profile of an OCI runtime.

#![no_main]

use testkit::hostile::profiles;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| profiles::oci(bytes));
