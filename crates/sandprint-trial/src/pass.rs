//! The passes of a trial: each runs the workload once, in its own way.

pub(crate) mod confirm;
pub(crate) mod explain;
pub(crate) mod observe;
