//! How fast to write: our own brake below Graph's quota, and how many batches at a time the tenant bears.
//!
//! Arithmetic only: whoever asks says what time it is, and does the waiting.

use std::time::{Duration, Instant};

/// Graph counts writes over this long.
const WINDOW: f64 = 150.0;

/// After so many batches without a refusal, one more goes at a time.
const CLEAN: u32 = 8;

/// A bucket of writes that fills at a steady rate. A new one is full.
pub(super) struct Brake {
    /// 0 is no brake.
    capacity: f64,
    /// Below 0 when writes were promised that are still to be waited for.
    level: f64,
    at: Instant,
}

impl Brake {
    pub(super) fn new(writes_per_150s: u32, now: Instant) -> Brake {
        let capacity = f64::from(writes_per_150s);
        Brake { capacity, level: capacity, at: now }
    }

    /// Takes so many writes out of the bucket; they may be sent after the time that comes back.
    pub(super) fn wait_for(&mut self, writes: usize, now: Instant) -> Duration {
        if self.capacity <= 0.0 {
            return Duration::ZERO;
        }
        let rate = self.capacity / WINDOW;
        let filled = now.saturating_duration_since(self.at).as_secs_f64() * rate;
        self.level = (self.level + filled).min(self.capacity) - f64::from(u32::try_from(writes).unwrap_or(u32::MAX));
        self.at = now;
        if self.level >= 0.0 { Duration::ZERO } else { Duration::from_secs_f64(-self.level / rate) }
    }
}

/// How many batches go at a time: half as many after a refusal, one more after a while without.
pub(super) struct Width {
    now: usize,
    most: usize,
    clean: u32,
}

impl Width {
    pub(super) fn new(most: usize) -> Width {
        let most = most.max(1);
        Width { now: most.min(4), most, clean: 0 }
    }

    pub(super) fn get(&self) -> usize {
        self.now
    }

    pub(super) fn refused(&mut self) {
        self.now = (self.now / 2).max(1);
        self.clean = 0;
    }

    pub(super) fn taken(&mut self) {
        self.clean += 1;
        if self.clean >= CLEAN {
            self.now = (self.now + 1).min(self.most);
            self.clean = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_bucket_goes_at_once_and_an_empty_one_at_the_rate_of_refill() {
        let start = Instant::now();
        let mut brake = Brake::new(3_000, start);
        assert_eq!(brake.wait_for(3_000, start), Duration::ZERO);
        assert_eq!(brake.wait_for(20, start), Duration::from_secs(1));
        // A second later the twenty are paid for, and the next twenty wait a second again.
        assert_eq!(brake.wait_for(20, start + Duration::from_secs(1)), Duration::from_secs(1));
        assert_eq!(brake.wait_for(3_000, start + Duration::from_secs(1_000)), Duration::ZERO);
        assert_eq!(Brake::new(0, start).wait_for(1_000_000, start), Duration::ZERO);
    }

    #[test]
    fn width_halves_at_once_and_grows_slowly() {
        let mut width = Width::new(8);
        assert_eq!(width.get(), 4);
        width.refused();
        width.refused();
        width.refused();
        assert_eq!(width.get(), 1);
        (0..CLEAN - 1).for_each(|_| width.taken());
        assert_eq!(width.get(), 1);
        width.taken();
        assert_eq!(width.get(), 2);
        (0..CLEAN * 100).for_each(|_| width.taken());
        assert_eq!(width.get(), 8);
    }
}
