//! What a comparison comes to, in a sentence.

use super::Comparison;
use crate::run::thousands;

impl Comparison {
    /// Finds the verdict. What no rule knows stays as it is, and does not count.
    pub(super) fn judge(&mut self) {
        let name = &self.connector;
        let found = [
            (self.different.len(), "differs", "differ"),
            (self.missing.len(), "is missing", "are missing"),
            (self.leaving.len(), "is leaving", "are leaving"),
            (self.proposed.len(), "waits for `adopt`", "wait for `adopt`"),
            (self.errors.len(), "could not be evaluated", "could not be evaluated"),
        ];
        let found: Vec<String> = found
            .iter()
            .filter(|(count, ..)| *count > 0)
            .map(|(count, one, many)| {
                let number = thousands(u64::try_from(*count).unwrap_or(u64::MAX));
                format!("{number} {}", if *count == 1 { one } else { many })
            })
            .collect();
        self.safe = found.is_empty() && self.same > 0;
        self.verdict = match (found.is_empty(), self.same) {
            (true, 0) => format!("`{name}`: nothing was compared, for no rule has an object there"),
            (true, _) => format!("`{name}` is as the rules make it: safe to switch"),
            (false, _) => format!("`{name}` is not as the rules make it: {}", of_objects(&found)),
        };
    }
}

/// `3 objects differ, 1 is missing`.
fn of_objects(found: &[String]) -> String {
    let text = found.join(", ");
    match text.split_once(' ') {
        Some(("1", rest)) => format!("1 object {rest}"),
        Some((number, rest)) => format!("{number} objects {rest}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Comparison, Whole};

    fn verdict(comparison: Comparison) -> (bool, String) {
        let mut comparison = Comparison { connector: "entra".into(), ..comparison };
        comparison.judge();
        (comparison.safe, comparison.verdict)
    }

    #[test]
    fn only_what_was_compared_and_is_the_same_is_safe() {
        let of = |count: usize| {
            vec![
                Whole { name: "a".into(), id: String::new(), object_type: "user".into(), reason: String::new() };
                count
            ]
        };
        let same = Comparison { same: 2, unknown: of(3), ..Comparison::default() };
        assert_eq!(verdict(same.clone()), (true, "`entra` is as the rules make it: safe to switch".into()));
        let error = Comparison { errors: vec![("a".into(), "b".into())], ..same.clone() };
        let expected = "`entra` is not as the rules make it: 1 object could not be evaluated";
        assert_eq!(verdict(error), (false, expected.into()));
        let missing = Comparison { missing: of(1_200), leaving: of(1), proposed: of(2), ..same };
        let expected =
            "`entra` is not as the rules make it: 1,200 objects are missing, 1 is leaving, 2 wait for `adopt`";
        assert_eq!(verdict(missing), (false, expected.into()));
        assert!(!verdict(Comparison { unknown: of(1), ..Comparison::default() }).0);
    }
}
