//! How much of each call is recorded.

/// How much is recorded beside which calls are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    /// Nothing.
    #[default]
    Calls,
    /// Arguments, errors, files, sockets, capabilities, and the rest of what a policy can be about.
    Full,
}

impl Detail {
    /// Every level, from the least on.
    pub const ALL: [Detail; 2] = [Detail::Calls, Detail::Full];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Detail::Calls => "calls",
            Detail::Full => "full",
        }
    }
}
