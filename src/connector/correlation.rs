//! Which run a request belongs to: the number of the request is the last group of the run's id. Who finds one in the log of
//! a directory has the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

/// The bits of an id that count requests: its last group of twelve digits.
const COUNTER: u128 = (1 << 48) - 1;

/// The id of a run, and how many requests carry it. Clones count on together.
#[derive(Clone, Debug)]
pub struct Correlation {
    run: Uuid,
    requests: Arc<AtomicU64>,
}

impl Correlation {
    /// A new one; the last group of its id is zero.
    pub fn new() -> Correlation {
        let run = Uuid::from_u128(Uuid::new_v4().as_u128() & !COUNTER);
        Correlation { run, requests: Arc::default() }
    }

    /// The id of the run.
    pub fn run(&self) -> Uuid {
        self.run
    }

    /// The id of the next request.
    pub fn request(&self) -> Uuid {
        let number = u128::from(self.requests.fetch_add(1, Ordering::Relaxed) + 1);
        Uuid::from_u128(self.run.as_u128() | (number & COUNTER))
    }
}

impl Default for Correlation {
    fn default() -> Correlation {
        Correlation::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_count_in_the_last_group() {
        let correlation = Correlation::new();
        let run = correlation.run().to_string();
        assert!(run.ends_with("-000000000000"), "{run}");
        let same = correlation.clone();
        for (number, request) in [correlation.request(), same.request()].into_iter().enumerate() {
            assert_eq!(request.get_version_num(), 4);
            assert_eq!(request.to_string(), format!("{}{:012x}", &run[..24], number + 1));
        }
    }
}
