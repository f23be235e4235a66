//! The passes of a trial: each runs the workload once, in its own way.

mod ask;
pub(crate) mod confirm;
pub(crate) mod explain;
mod findings;
pub(crate) mod observe;
