//! A condition as one comparison: `arg0.u32 == AF_INET`, `arg1.u32 & 0xf == 1`.
//!
//! The width is always said: `u32` looks at the lower half of the argument's register, as the kernel does for an
//! `int`, `u64` at all of it. All comparisons are unsigned. Constants have the names that C gives them.

use crate::wire::quoted;
use crate::{Abi, Comparison, Condition, Syscall, Width, arguments};

/// A condition in words, with the names of constants where that argument of the call has them.
pub(super) fn write(syscall: Syscall, condition: &Condition) -> String {
    let name = |value: u64| {
        let text = arguments::render_value(syscall, usize::from(condition.index), value);
        // Only what reads back as the same value, and is made of names alone.
        let named = text.split('|').all(|part| part.starts_with(|c: char| c.is_ascii_uppercase()));
        let same = self::value(syscall.abi, condition.width, &text) == Ok(value);
        (named && same).then_some(text)
    };
    let (operator, value) = match condition.comparison {
        Comparison::Equal(value) => ("==", value),
        Comparison::NotEqual(value) => ("!=", value),
        Comparison::MaskedEqual { mask, value } => {
            let mask_text = name(mask).unwrap_or_else(|| format!("{mask:#x}"));
            let value = if value == 0 {
                "0".to_owned()
            } else {
                name(value).unwrap_or_else(|| format!("{value:#x}"))
            };
            return format!("{} & {mask_text} == {value}", argument(condition));
        }
        // Names have no order.
        _ => return condition.to_string(),
    };
    match name(value) {
        Some(name) => format!("{} {operator} {name}", argument(condition)),
        None => condition.to_string(),
    }
}

fn argument(condition: &Condition) -> String {
    let width = match condition.width {
        Width::Bits32 => "u32",
        Width::Bits64 => "u64",
    };
    format!("arg{}.{width}", condition.index)
}

/// Reads a condition; the error says what is wrong.
pub(super) fn read(abi: Abi, text: &str) -> Result<Condition, String> {
    let (left, operator, right) = split(text)?;
    let (argument, mask) = match left.split_once('&') {
        Some((argument, mask)) => (argument, Some(mask)),
        None => (left, None),
    };
    let (index, width) = read_argument(argument.trim())?;
    let mask = mask.map(|mask| value(abi, width, mask)).transpose()?;
    let right = value(abi, width, right)?;
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

/// A value: numbers and names of constants, joined by `|`.
///
/// A name stands for its value in the ABI; of a negative one (`AT_FDCWD`) as many bits as are compared.
fn value(abi: Abi, width: Width, text: &str) -> Result<u64, String> {
    let mut value = 0;
    for part in text.split('|') {
        let part = part.trim();
        value |= if part.starts_with(|c: char| c.is_ascii_uppercase()) {
            let named = arguments::constant(abi, part).ok_or_else(|| unknown(abi, part))?;
            if width == Width::Bits32 { named & 0xffff_ffff } else { named }
        } else {
            number(part)?
        };
    }
    Ok(value)
}

fn unknown(abi: Abi, name: &str) -> String {
    let like = arguments::constants_like(abi, name);
    if like.is_empty() {
        return format!("{abi} has no constant of the name `{}`; a number does too", quoted(name));
    }
    format!("{abi} has no constant of the name `{}`; there is {}", quoted(name), like.join(", "))
}

/// A number: decimal, hexadecimal (`0x`) or octal (`0o`).
fn number(text: &str) -> Result<u64, String> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x', ..] => (text.get(2..).unwrap_or_default(), 16),
        [b'0', b'o', ..] => (text.get(2..).unwrap_or_default(), 8),
        [b'0', b'0'..=b'9', ..] => {
            return Err("a leading 0 is ambiguous; octal numbers begin with 0o".to_owned());
        }
        _ => (text, 10),
    };
    let no_number = "the right side is a number or a constant, such as 2, 0x1f, 0o644 or AF_INET";
    if !digits.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric()) {
        return Err(no_number.to_owned());
    }
    u64::from_str_radix(digits, radix).map_err(|error| match error.kind() {
        std::num::IntErrorKind::PosOverflow => "the number does not fit into 64 bits".to_owned(),
        _ => no_number.to_owned(),
    })
}
