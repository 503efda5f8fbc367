//! How long a rule takes: one call in sixteen is timed, so that it costs the others nothing. What rules answer does not
//! depend on it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// One call in so many is timed.
const SHARE: u64 = 16;

/// What the calls of a rule's functions took, all in all. Estimated.
#[derive(Debug, Default)]
pub(super) struct Spent {
    calls: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Spent {
    /// How many calls, and how long in nanoseconds.
    pub(super) fn so_far(&self) -> (u64, u64) {
        (self.calls.load(Ordering::Relaxed), self.nanoseconds.load(Ordering::Relaxed))
    }
}

/// Chooses calls without a pattern: rules are called in turns, and every sixteenth call may be always the same function.
#[derive(Default)]
pub(super) struct Sampler(AtomicU64);

impl Sampler {
    fn chooses(&self) -> bool {
        // Numerical Recipes' generator; its upper bits are as good as random.
        let next = self
            .0
            .load(Ordering::Relaxed)
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0.store(next, Ordering::Relaxed);
        (next >> 32).is_multiple_of(SHARE)
    }

    /// Calls, and times it now and then.
    pub(super) fn time<T>(&self, spent: &Spent, call: impl FnOnce() -> T) -> T {
        if !self.chooses() {
            return call();
        }
        let begun = Instant::now();
        let answer = call();
        let took = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(0);
        spent.calls.fetch_add(SHARE, Ordering::Relaxed);
        spent.nanoseconds.fetch_add(took.saturating_mul(SHARE), Ordering::Relaxed);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_in_sixteen_stands_for_all() {
        let (sampler, spent) = (Sampler::default(), Spent::default());
        let answers: u64 = (0..100_000).map(|number| sampler.time(&spent, || number % 2)).sum();
        assert_eq!(answers, 50_000);
        let (calls, _) = spent.so_far();
        assert!((90_000..110_000).contains(&calls), "{calls}");
    }
}
