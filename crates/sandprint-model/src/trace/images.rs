//! The calls of some programs of a trace.

use crate::{Image, Trace};

impl Trace {
    /// The trace with the calls of the wanted programs only. Runs and gaps stay, since they say how far the rest can
    /// be trusted.
    #[must_use]
    pub fn of_images(&self, is_wanted: impl Fn(&Image) -> bool) -> Trace {
        Trace {
            runs: self.runs.clone(),
            calls: self.calls.filtered(|subject, _| is_wanted(&subject.image)),
            results: self.results.filtered(|subject, _| is_wanted(&subject.image)),
            refused: self.refused.filtered(|subject, _| is_wanted(&subject.image)),
            files: self.files.filtered(|subject, _| is_wanted(&subject.image)),
            sockets: self.sockets.filtered(|subject, _| is_wanted(&subject.image)),
            names: self.names.filtered(|subject, _| is_wanted(&subject.image)),
            capabilities: self.capabilities.filtered(|subject, _| is_wanted(&subject.image)),
            memory: self.memory.filtered(|subject, _| is_wanted(&subject.image)),
            namespaces: self.namespaces.filtered(|subject, _| is_wanted(&subject.image)),
            uring: self.uring.filtered(|subject, _| is_wanted(&subject.image)),
            gaps: self.gaps.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::arbitrary;

    proptest! {
        #[test]
        fn a_trace_is_the_calls_of_some_programs_and_those_of_the_others(trace in arbitrary::trace()) {
            let is_first = |image: &crate::Image| trace.images().first().is_some_and(|first| **first == *image);
            let some = trace.of_images(is_first);
            let others = trace.of_images(|image| !is_first(image));
            prop_assert!(some.images().len() <= 1);
            prop_assert_eq!(some.calls.len() + others.calls.len(), trace.calls.len());
            prop_assert_eq!((&some.runs, &some.gaps), (&trace.runs, &trace.gaps));
            let mut together = some;
            together.merge(others);
            prop_assert_eq!(together, trace);
        }
    }
}
