//! A condition as one comparison: `arg0.u32 == 2`, `arg1.u32 & 0xf == 1`.
//!
//! The width is always said: `u32` looks at the lower half of the argument's register, as the kernel does for an
//! `int`, `u64` at all of it. All comparisons are unsigned.

use crate::{Comparison, Condition, Width};

/// Reads a condition; the error says what is wrong.
pub(super) fn read(text: &str) -> Result<Condition, String> {
    let (left, operator, right) = split(text)?;
    let (argument, mask) = match left.split_once('&') {
        Some((argument, mask)) => (argument, Some(value(mask)?)),
        None => (left, None),
    };
    let (index, width) = read_argument(argument.trim())?;
    let right = value(right)?;
    let comparison = match (operator, mask) {
        ("==", Some(mask)) => Comparison::MaskedEqual { mask, value: right },
        (_, Some(_)) => return Err("under a mask only `==` can be asked".to_owned()),
        ("==", None) => Comparison::Equal(right),
        ("!=", None) => Comparison::NotEqual(right),
        ("<", None) => Comparison::Less(right),
        ("<=", None) => Comparison::LessOrEqual(right),
        (">", None) => Comparison::Greater(right),
        _ => Comparison::GreaterOrEqual(right),
    };
    Ok(Condition { index, width, comparison })
}

/// The two sides, and the operator between them.
fn split(text: &str) -> Result<(&str, &str, &str), String> {
    let at = text.find(['=', '!', '<', '>']).ok_or("it compares nothing")?;
    let (left, rest) = text.split_at(at);
    for operator in ["==", "!=", "<=", ">=", "<", ">"] {
        if let Some(right) = rest.strip_prefix(operator) {
            return Ok((left, operator, right));
        }
    }
    Err("a comparison is one of ==, !=, <, <=, > and >=".to_owned())
}

fn read_argument(text: &str) -> Result<(u8, Width), String> {
    let (name, width) = text.split_once('.').unwrap_or((text, ""));
    let index = name.strip_prefix("arg").filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    let index = match index.and_then(|digits| digits.parse::<u8>().ok()) {
        Some(index @ 0..=5) => index,
        Some(index) => return Err(format!("a system call has the arguments 0 to 5, and none is {index}")),
        None => return Err("the left side is an argument, such as `arg0.u32`".to_owned()),
    };
    match width {
        "u32" => Ok((index, Width::Bits32)),
        "u64" => Ok((index, Width::Bits64)),
        "" => Err(format!(
            "say how much of the argument the kernel looks at: `arg{index}.u32` for an int or flags, `arg{index}.u64` \
             for a long, a size or a pointer"
        )),
        _ => Err("an argument is compared as u32 or as u64".to_owned()),
    }
}

/// A number: decimal, hexadecimal (`0x`) or octal (`0o`).
fn value(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x', ..] => (text.get(2..).unwrap_or_default(), 16),
        [b'0', b'o', ..] => (text.get(2..).unwrap_or_default(), 8),
        [b'0', b'0'..=b'9', ..] => {
            return Err("a leading 0 is ambiguous; octal numbers begin with 0o".to_owned());
        }
        _ => (text, 10),
    };
    if !digits.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric()) {
        return Err("the right side is a number, such as 2, 0x1f or 0o644".to_owned());
    }
    u64::from_str_radix(digits, radix).map_err(|error| match error.kind() {
        std::num::IntErrorKind::PosOverflow => "the number does not fit into 64 bits".to_owned(),
        _ => "the right side is a number, such as 2, 0x1f or 0o644".to_owned(),
    })
}
