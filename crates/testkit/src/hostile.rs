//! Readers of outside bytes: what must hold of any bytes whatever, and documents with a few changes. The fuzz targets
//! call the first for as long as one likes, tests with the second for a few seconds.

pub mod mutation;
pub mod numbers;
pub mod profiles;
pub mod properties;
