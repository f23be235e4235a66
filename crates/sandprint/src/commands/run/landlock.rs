//! `run --landlock`: what the policy leaves for Landlock to refuse, as far as this kernel can.

use sandprint_model::{Arch, Policy};
use sandprint_policy::landlock::{self as table, Kind, Right};
use sandprint_sandbox::confine::landlock::{self, Handled, LandlockError, Logging};

use crate::exit::{Deciding, ExitStatus};
use crate::output;

/// Enters a domain that refuses what the policy refuses altogether, and says what this kernel cannot refuse.
pub(super) fn enter(policy: &Policy, arch: Arch, log: bool) -> Result<(), Deciding> {
    let abi = landlock::abi().map_err(|error| failure(&error))?;
    let derived = table::derive(policy, arch);
    let wanted: Vec<_> = derived.restrictions.iter().map(|restriction| restriction.right).collect();
    if wanted.is_empty() {
        output::note(
            "--landlock adds nothing here: for everything that Landlock could refuse, the policy allows a call",
        );
        return Ok(());
    }
    let (there, missing) = split(&wanted, abi);
    if !missing.is_empty() {
        output::warn(&missing_text(&missing, abi));
    }
    if there.is_empty() {
        return Ok(());
    }
    let logging = if log { Logging::AfterExec } else { Logging::Default };
    landlock::enter(handled(&there), logging).map_err(|error| failure(&error))?;
    if !derived.also_refused.is_empty() {
        let names: Vec<_> = derived.also_refused.iter().map(ToString::to_string).collect();
        output::note(&format!(
            "with --landlock, {} can only be about processes that the command starts",
            names.join(", ")
        ));
    }
    Ok(())
}

/// The rights that an interface of that version has, and those that it has not.
fn split<'r>(wanted: &[&'r Right], abi: u32) -> (Vec<&'r Right>, Vec<&'r Right>) {
    wanted.iter().copied().partition(|right| right.abi <= abi)
}

/// The rights as the kernel is told.
fn handled(rights: &[&Right]) -> Handled {
    let bits =
        |kind| rights.iter().filter(|right| right.kind == kind).fold(0, |bits, right| bits | right.bit);
    Handled { filesystem: bits(Kind::Filesystem), network: bits(Kind::Network), scopes: bits(Kind::Scope) }
}

fn missing_text(missing: &[&Right], abi: u32) -> String {
    let words = missing.iter().map(|right| match landlock::since(right.abi) {
        Some(since) => format!("{} (Linux {since})", right.what),
        None => right.what.to_owned(),
    });
    let words: Vec<_> = words.collect();
    format!(
        "Landlock of this kernel (ABI {abi}) is too old to refuse: {}; there the seccomp filter stands alone",
        words.join(", ")
    )
}

fn failure(error: &LandlockError) -> Deciding {
    let hint = match error {
        LandlockError::Absent | LandlockError::Disabled => {
            "leave out --landlock: the seccomp filter is enforced all the same, and only io_uring and the like go \
             round it; to enable Landlock, boot with `landlock` in lsm="
        }
        _ => "nothing was run: another sandbox around this process may be in the way",
    };
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    Deciding {
        status: ExitStatus::RecorderFailed,
        message: format!("failed to {error}{cause}"),
        hint: hint.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use sandprint_policy::landlock::RIGHTS;

    use super::*;

    #[test]
    fn an_older_interface_is_asked_only_for_what_it_has_and_the_rest_is_named() {
        let all: Vec<&Right> = RIGHTS.iter().collect();
        for (abi, expected, missing) in [
            (1, Handled { filesystem: 0x1ff0 & !(1 << 13), network: 0, scopes: 0 }, 5),
            (2, Handled { filesystem: 0x1ff0, network: 0, scopes: 0 }, 5),
            (3, Handled { filesystem: 0x5ff0, network: 0, scopes: 0 }, 4),
            (4, Handled { filesystem: 0x5ff0, network: 3, scopes: 0 }, 2),
            (6, Handled { filesystem: 0x5ff0, network: 3, scopes: 3 }, 0),
            (99, Handled { filesystem: 0x5ff0, network: 3, scopes: 3 }, 0),
        ] {
            let (there, lacking) = split(&all, abi);
            assert_eq!((handled(&there), lacking.len()), (expected, missing), "ABI {abi}");
        }
        let (_, lacking) = split(&all, 4);
        assert_eq!(
            missing_text(&lacking, 4),
            "Landlock of this kernel (ABI 4) is too old to refuse: reaching abstract UNIX sockets of processes \
             outside (Linux 6.12), signalling processes outside (Linux 6.12); there the seccomp filter stands alone"
        );
    }
}
