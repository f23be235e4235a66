//! Reproducible numbers: the same seed gives the same inputs on every machine.

/// A small generator (xorshift64*).
#[derive(Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// A seed that is not 0.
    pub fn new(seed: u64) -> Numbers {
        Numbers(seed)
    }

    /// The next one: 48 bits.
    pub fn any(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// One from 0 up to the limit, without it.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.any()).unwrap() % limit.max(1)
    }
}
