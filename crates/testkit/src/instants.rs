//! Instants at which something is killed: spread over what it does, however long that takes here and now.

use std::time::Duration;

/// Instants that look random, and are the same each time as far as the machine is as fast.
#[derive(Debug)]
pub struct Instants {
    state: u64,
    longest: Duration,
}

impl Instants {
    /// Instants after a start, at first up to this long.
    pub fn up_to(longest: Duration) -> Instants {
        Instants { state: 1, longest }
    }

    /// How long after its start the next one is killed.
    pub fn after_start(&mut self) -> Duration {
        // Knuth's multiplier for a linear generator.
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.longest.mul_f64(f64::from(u32::try_from(self.state >> 33).unwrap()) / f64::from(1_u32 << 31))
    }

    /// Later ones are wanted.
    pub fn later(&mut self) {
        self.longest = self.longest.mul_f64(1.1);
    }

    /// Earlier ones are wanted.
    pub fn earlier(&mut self) {
        self.longest = self.longest.mul_f64(0.9).max(Duration::from_millis(1));
    }
}
