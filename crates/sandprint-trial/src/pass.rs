//! The passes of a trial: each runs the workload once, in its own way.

mod ask;
pub(crate) mod confirm;
pub(crate) mod explain;
mod findings;
pub(crate) mod observe;

use std::time::Duration;

/// A process that still lives after this time has not ended for a refused call.
const WENT_ON: Duration = Duration::from_millis(200);
