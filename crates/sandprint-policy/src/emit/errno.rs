//! How an emitted policy writes the error that a refused call fails with.

pub(super) use sandprint_model::errno::ENOSYS;
use sandprint_model::errno::name;

/// The name, or "errno N".
pub(super) fn in_words(number: u16) -> String {
    name(number).map_or_else(|| format!("errno {number}"), str::to_owned)
}

/// The name, or the number: what C and systemd both take.
pub(super) fn name_or_number(number: u16) -> String {
    name(number).map_or_else(|| number.to_string(), str::to_owned)
}
