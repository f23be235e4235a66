//! A call in words, and in the columns of a table.

use sandprint_model::{Abi, Call, Syscall, arguments};
use serde_json::{Value, json};

/// A call as strace would show its registers, with its ABI where that is not the machine's own.
pub fn in_words(call: &Call) -> String {
    let words = arguments::render(call.syscall, &call.args);
    if is_native(call.syscall.abi) { words } else { format!("{}: {words}", call.syscall.abi) }
}

fn is_native(abi: Abi) -> bool {
    abi == abi.arch().native_abi()
}

/// The three cells that name a call: ABI, number, name.
pub(crate) fn cells(syscall: Syscall) -> Vec<String> {
    vec![syscall.abi.name().to_owned(), syscall.nr.to_string(), syscall.name().unwrap_or("-").to_owned()]
}

/// The same for programs.
pub(crate) fn json(syscall: Syscall) -> Value {
    json!({"abi": syscall.abi.name(), "nr": syscall.nr, "name": syscall.name()})
}
