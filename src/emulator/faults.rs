//! Trouble on purpose: rates of failures, drawn from a seeded generator.
//!
//! Only decides; `service` makes it happen.

use serde::{Deserialize, Serialize};

/// How often what goes wrong: each a share of requests between 0 and 1. All are off unless set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Faults {
    /// 429 with `Retry-After`; nothing was written.
    pub too_many: f64,
    /// What `Retry-After` says then, in seconds.
    pub retry_after: f64,
    /// 503; nothing was written.
    pub unavailable: f64,
    /// 504; nothing was written.
    pub timeout_before: f64,
    /// 504 although the write happened.
    pub timeout_after: f64,
    /// The connection breaks; nothing was written.
    pub reset_before: f64,
    /// The connection breaks after the write.
    pub reset_after: f64,
    /// 503 for a whole batch; nothing was written.
    pub batch_unavailable: f64,
    /// 504 for a whole batch although its writes happened.
    pub batch_timeout_after: f64,
    /// A slow answer.
    pub slow: f64,
    /// How slow, in milliseconds.
    pub slow_ms: u64,
    /// The token endpoint says 401.
    pub token_refused: f64,
    /// The start of the generator; the same seed and requests give the same faults.
    pub seed: u64,
}

impl Default for Faults {
    fn default() -> Self {
        Faults {
            too_many: 0.0,
            retry_after: 1.0,
            unavailable: 0.0,
            timeout_before: 0.0,
            timeout_after: 0.0,
            reset_before: 0.0,
            reset_after: 0.0,
            batch_unavailable: 0.0,
            batch_timeout_after: 0.0,
            slow: 0.0,
            slow_ms: 1_000,
            token_refused: 0.0,
            seed: 0,
        }
    }
}

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    TooMany,
    Unavailable,
    TimeoutBefore,
    TimeoutAfter,
    ResetBefore,
    ResetAfter,
}

/// Draws faults.
#[derive(Debug)]
pub(crate) struct Draw {
    pub(crate) rates: Faults,
    state: u64,
}

impl Draw {
    /// Starts with the seed of the rates.
    pub(crate) fn new(rates: Faults) -> Self {
        // Spread small seeds over all bits (xorshift needs a state other than 0).
        let state = (rates.seed ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9) | 1;
        Draw { rates, state }
    }

    /// A number from 0 up to 1 (xorshift64*).
    fn next(&mut self) -> f64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let bits = self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
        bits as f64 / (1_u64 << 53) as f64
    }

    /// The fate of a Graph request of its own.
    pub(crate) fn request(&mut self) -> Fault {
        let rates = self.rates.clone();
        self.pick(&[
            (rates.too_many, Fault::TooMany),
            (rates.unavailable, Fault::Unavailable),
            (rates.timeout_before, Fault::TimeoutBefore),
            (rates.timeout_after, Fault::TimeoutAfter),
            (rates.reset_before, Fault::ResetBefore),
            (rates.reset_after, Fault::ResetAfter),
        ])
    }

    /// The fate of a batch as a whole; its items draw their own.
    pub(crate) fn batch(&mut self) -> Fault {
        let rates = self.rates.clone();
        self.pick(&[
            (rates.batch_unavailable, Fault::Unavailable),
            (rates.batch_timeout_after, Fault::TimeoutAfter),
            (rates.reset_before, Fault::ResetBefore),
            (rates.reset_after, Fault::ResetAfter),
        ])
    }

    /// The fate of one item of a batch, which has no connection of its own.
    pub(crate) fn item(&mut self) -> Fault {
        let rates = self.rates.clone();
        self.pick(&[
            (rates.too_many, Fault::TooMany),
            (rates.unavailable, Fault::Unavailable),
            (rates.timeout_before, Fault::TimeoutBefore),
            (rates.timeout_after, Fault::TimeoutAfter),
        ])
    }

    fn pick(&mut self, rates: &[(f64, Fault)]) -> Fault {
        let mut drawn = self.next();
        for (rate, fault) in rates {
            if drawn < *rate {
                return *fault;
            }
            drawn -= rate;
        }
        Fault::None
    }

    /// Milliseconds to wait before the answer.
    pub(crate) fn delay(&mut self) -> u64 {
        if self.next() < self.rates.slow { self.rates.slow_ms } else { 0 }
    }

    /// Whether the token endpoint refuses.
    pub(crate) fn refuses_token(&mut self) -> bool {
        self.next() < self.rates.token_refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_come_at_their_rate_and_repeat_with_their_seed() {
        let rates = Faults { too_many: 0.2, timeout_after: 0.1, seed: 7, ..Faults::default() };
        let run = |rates: &Faults| {
            let mut draw = Draw::new(rates.clone());
            (0..10_000).map(|_| draw.item()).collect::<Vec<_>>()
        };
        let faults = run(&rates);
        assert_eq!(faults, run(&rates));
        assert_ne!(faults, run(&Faults { seed: 8, ..rates }));
        let share = |fault| faults.iter().filter(|found| **found == fault).count();
        assert!((1_800..2_200).contains(&share(Fault::TooMany)), "{}", share(Fault::TooMany));
        assert!((850..1_150).contains(&share(Fault::TimeoutAfter)), "{}", share(Fault::TimeoutAfter));
        assert_eq!(share(Fault::Unavailable), 0);
    }
}
