//! Entry point of the developers' commands.
#![allow(clippy::print_stderr, clippy::allow_attributes, clippy::allow_attributes_without_reason)]

fn main() -> anyhow::Result<()> {
    anyhow::bail!("no command yet")
}
