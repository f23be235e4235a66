//! Equivalents of observed calls: what another libc, architecture or kernel would call in their place.

use std::collections::BTreeSet;

use sandprint_model::{Abi, Reason, Syscall};

mod equivalents;

use equivalents::EQUIVALENTS;

/// Calls that stand for each other.
struct Equivalents {
    /// When one of these was observed ...
    observed: &'static [&'static str],
    /// ... these are allowed too, as far as the ABI has them.
    allowed: &'static [&'static str],
    /// Who makes them instead, in one sentence.
    why: &'static str,
}

/// The equivalents of these calls, in their own ABIs; calls that were observed themselves are left out.
pub(super) fn equivalents(observed: &BTreeSet<Syscall>) -> impl Iterator<Item = (Syscall, Reason)> {
    EQUIVALENTS.iter().flat_map(move |row| {
        let from =
            observed.iter().filter(|call| call.name().is_some_and(|name| row.observed.contains(&name)));
        from.flat_map(move |of| {
            let calls = row.allowed.iter().filter_map(|name| Syscall::from_name(of.abi, name));
            calls
                .filter(|call| !observed.contains(call))
                .map(|call| (call, Reason::Portability { of: *of, why: row.why.to_owned() }))
        })
    })
}

/// What stands in another ABI for a call that it has not, and why.
pub(crate) fn equivalents_there(name: &str, abi: Abi) -> Vec<(Syscall, &'static str)> {
    let rows = EQUIVALENTS.iter().filter(|row| row.observed.contains(&name));
    rows.flat_map(|row| {
        row.allowed.iter().filter_map(move |other| Some((Syscall::from_name(abi, other)?, row.why)))
    })
    .collect()
}

#[cfg(test)]
mod tests;
