//! A signal, its name, and sets of them.

use std::fmt;

/// A signal: 1 to 64, numbered as x86 and ARM number them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(pub(super) u8);

impl Signal {
    /// The terminal is gone, or its user.
    pub const HUP: Signal = Signal(1);
    /// Ctrl-C.
    pub const INT: Signal = Signal(2);
    /// Ctrl-\.
    pub const QUIT: Signal = Signal(3);
    /// An abort, also of a service that missed its watchdog.
    pub const ABRT: Signal = Signal(6);
    /// The end that nothing can refuse.
    pub const KILL: Signal = Signal(9);
    /// For the program to define.
    pub const USR1: Signal = Signal(10);
    /// For the program to define.
    pub const USR2: Signal = Signal(12);
    /// A write to a pipe that nobody reads.
    pub const PIPE: Signal = Signal(13);
    /// alarm(2).
    pub const ALRM: Signal = Signal(14);
    /// A request to end.
    pub const TERM: Signal = Signal(15);
    /// A child ended, stopped or went on.
    pub const CHLD: Signal = Signal(17);
    /// Go on after a stop.
    pub const CONT: Signal = Signal(18);
    /// The stop that nothing can refuse.
    pub const STOP: Signal = Signal(19);
    /// Ctrl-Z.
    pub const TSTP: Signal = Signal(20);
    /// A read of the terminal from the background.
    pub const TTIN: Signal = Signal(21);
    /// A change of the terminal from the background.
    pub const TTOU: Signal = Signal(22);
    /// Urgent data on a socket.
    pub const URG: Signal = Signal(23);
    /// The terminal's size changed.
    pub const WINCH: Signal = Signal(28);

    /// The signal of that number, if there is one.
    pub fn from_number(number: i32) -> Option<Signal> {
        u8::try_from(number).ok().filter(|number| (1..=64).contains(number)).map(Signal)
    }

    /// Its number, 1 to 64.
    pub fn number(self) -> u8 {
        self.0
    }

    pub(crate) fn raw(self) -> i32 {
        i32::from(self.0)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0.checked_sub(1).and_then(|index| NAMES.get(usize::from(index)));
        match name {
            Some(name) => write!(f, "SIG{name}"),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Names of the signals 1 to 31, as signal(7) gives them for x86 and ARM.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// A set of signals, in the kernel's form: bit n-1 is signal n.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct SignalSet(pub(crate) u64);

impl SignalSet {
    pub(crate) const ALL: SignalSet = SignalSet(u64::MAX);

    pub(crate) const fn of(signals: &[Signal]) -> SignalSet {
        let mut bits = 0;
        let mut rest = signals;
        while let [first, others @ ..] = rest {
            bits |= 1 << (first.0 - 1);
            rest = others;
        }
        SignalSet(bits)
    }

    pub(crate) const fn without(self, other: SignalSet) -> SignalSet {
        SignalSet(self.0 & !other.0)
    }

    pub(crate) const fn contains(self, signal: Signal) -> bool {
        self.0 & (1 << (signal.0 - 1)) != 0
    }
}
