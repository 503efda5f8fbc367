//! How fast to write: our own brake below Graph's quota, and how many batches at a time the tenant bears.
//!
//! Arithmetic only: whoever asks says what time it is, and does the waiting.

use std::time::{Duration, Instant};

/// Graph counts writes over this long.
const WINDOW: f64 = 150.0;

/// After so many batches without a refusal, one more goes at a time.
const CLEAN: u32 = 8;

/// Graph lets an app save up so many writes.
const BURST: f64 = 3_000.0;
/// A refusal slows the bucket down by so much, and each batch that is taken speeds it up again by a little.
const SLOWER: f64 = 0.95;
const FASTER: f64 = 1.002;
/// It never gets slower than this part of what the settings say.
const SLOWEST: f64 = 0.1;

/// A bucket of writes that fills at a steady rate; a new one is full. It learns: who is refused was too fast.
pub(super) struct Brake {
    /// 0 is no brake.
    capacity: f64,
    /// Writes in a second, as the settings say.
    most: f64,
    /// As it turned out.
    rate: f64,
    /// Below 0 when writes were promised that are still to be waited for.
    level: f64,
    at: Instant,
    /// Nothing is written before: Graph said so.
    closed: Option<Instant>,
}

impl Brake {
    pub(super) fn new(writes_per_150s: u32, now: Instant) -> Brake {
        let writes = f64::from(writes_per_150s);
        let (capacity, most) = (writes.min(BURST), writes / WINDOW);
        Brake { capacity, most, rate: most, level: capacity, at: now, closed: None }
    }

    /// Takes so many writes out of the bucket; they may be sent after the time that comes back.
    pub(super) fn wait_for(&mut self, writes: usize, now: Instant) -> Duration {
        let closed = self.closed.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        if self.capacity <= 0.0 {
            return closed;
        }
        self.fill(now);
        self.level -= f64::from(u32::try_from(writes).unwrap_or(u32::MAX));
        let owed = if self.level >= 0.0 { Duration::ZERO } else { Duration::from_secs_f64(-self.level / self.rate) };
        owed.max(closed)
    }

    fn fill(&mut self, now: Instant) {
        let filled = now.saturating_duration_since(self.at).as_secs_f64() * self.rate;
        self.level = (self.level + filled).min(self.capacity);
        self.at = now;
    }

    /// Graph said how much of its quota is used: there is no more left than that. What is on its way is off our bucket already.
    pub(super) fn told(&mut self, used: f64, now: Instant) {
        self.fill(now);
        self.level = self.level.min(((1.0 - used) * BURST).max(0.0));
    }

    /// Graph refused a write, and said how long to wait: the others wait, too, and the bucket was fuller than it should be.
    pub(super) fn refused(&mut self, wait: Duration, now: Instant) {
        let until = now + wait;
        if self.closed.is_some_and(|closed| closed >= until) {
            return;
        }
        let first = self.closed.is_none_or(|closed| closed <= now);
        self.closed = Some(until);
        self.fill(now);
        self.level = self.level.min(0.0);
        if first {
            self.rate = (self.rate * SLOWER).max(self.most * SLOWEST);
        }
    }

    /// A batch of writes was taken.
    pub(super) fn taken(&mut self) {
        self.rate = (self.rate * FASTER).min(self.most);
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
    fn who_is_refused_waits_with_everybody_and_is_slower_afterwards() {
        let start = Instant::now();
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        let mut brake = Brake::new(3_000, start);
        assert_eq!(brake.wait_for(100, start), Duration::ZERO);
        brake.refused(Duration::from_secs(10), start);
        assert_eq!(brake.wait_for(0, after(4)), Duration::from_secs(6));
        // Those that were on their way at the same time say the same.
        brake.refused(Duration::from_secs(10), start);
        assert!((brake.rate - 19.0).abs() < 0.001, "{}", brake.rate);
        (0..1_000).for_each(|_| brake.taken());
        assert_eq!((brake.rate, brake.most), (20.0, 20.0));
        assert_eq!(brake.wait_for(20, after(1_000)), Duration::ZERO);
        let mut without = Brake::new(0, start);
        without.refused(Duration::from_secs(10), start);
        assert_eq!(without.wait_for(1, after(1)), Duration::from_secs(9));
    }

    #[test]
    fn what_others_have_used_is_not_there_any_more() {
        let start = Instant::now();
        let mut brake = Brake::new(3_000, start);
        assert_eq!(brake.wait_for(20, start), Duration::ZERO);
        brake.told(0.9, start);
        assert_eq!(brake.wait_for(320, start), Duration::from_secs(1), "300 were left");
        brake.told(0.5, start);
        assert_eq!(brake.wait_for(20, start), Duration::from_secs(2), "what was promised stays promised");
        brake.told(1.2, start + Duration::from_secs(1_000));
        assert_eq!(brake.wait_for(20, start + Duration::from_secs(1_000)), Duration::from_secs(1));
        let mut without = Brake::new(0, start);
        without.told(1.0, start);
        assert_eq!(without.wait_for(1_000, start), Duration::ZERO);
    }

    #[test]
    fn a_faster_rate_does_not_save_up_more_than_graph_allows() {
        let start = Instant::now();
        let mut brake = Brake::new(150_000, start);
        assert_eq!(brake.wait_for(3_000, start), Duration::ZERO);
        assert_eq!(brake.wait_for(1_000, start), Duration::from_secs(1));
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
