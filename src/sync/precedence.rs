//! Who wins: one list of contributions in, one answer out. The same for both directions, save for the words that only
//! outbound rules have.
//!
//! Semantics: lower number wins, per attribute; `()` leaves it to the next; `absent()` ends the search; merges are united.

use crate::connector_space::ObjectId;
use crate::metaverse::{Contribution, FlowValue};
use crate::value::{AttributeName, Value, Values, same_values};

/// What an attribute comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Winner<'a> {
    /// Nobody has anything to say.
    Nobody,
    /// Everybody said `keep()`.
    Keep,
    /// `absent()` won.
    Absent(&'a Contribution),
    /// A value.
    Value(&'a Contribution, Values),
    /// A set of references.
    References(&'a Contribution, &'a AttributeName),
    /// Only at creation.
    Once(&'a Contribution, &'a Values),
    /// Only where there is none.
    Seed(&'a Contribution, &'a Values),
}

/// Some rules merge and others do not: nobody can say what is meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{first}` merges and `{second}` does not; all rules that flow an attribute must do the same")]
pub struct MixedMerge {
    first: String,
    second: String,
}

/// Sorts contributions, the best first.
pub fn sort(contributions: &mut [Contribution]) {
    contributions.sort_by(|left, right| {
        (left.precedence, left.order, &left.rule, left.object).cmp(&(
            right.precedence,
            right.order,
            &right.rule,
            right.object,
        ))
    });
}

/// Decides. The list must be sorted.
///
/// # Errors
/// When merges and plain values meet.
pub fn decide(contributions: &[Contribution]) -> Result<Winner<'_>, MixedMerge> {
    let mut kept = false;
    let mut silent = false;
    for contribution in contributions {
        return Ok(match &contribution.value {
            FlowValue::Nothing => {
                silent = true;
                continue;
            }
            FlowValue::Keep => {
                kept = true;
                continue;
            }
            FlowValue::Absent => Winner::Absent(contribution),
            FlowValue::One(value) => plain(contribution, vec![value.clone()], contributions)?,
            FlowValue::List(values) | FlowValue::Unique(values) => plain(contribution, values.clone(), contributions)?,
            FlowValue::References(attribute) => Winner::References(contribution, attribute),
            FlowValue::Once(values) => Winner::Once(contribution, values),
            FlowValue::Seed(values) => Winner::Seed(contribution, values),
            FlowValue::Merge(_) => Winner::Value(contribution, united(contribution, contributions)?),
        });
    }
    Ok(if kept && !silent { Winner::Keep } else { Winner::Nobody })
}

fn plain<'a>(winner: &'a Contribution, values: Values, all: &[Contribution]) -> Result<Winner<'a>, MixedMerge> {
    match all.iter().find(|other| matches!(other.value, FlowValue::Merge(_))) {
        Some(other) => Err(MixedMerge { first: other.rule.to_string(), second: winner.rule.to_string() }),
        None => Ok(Winner::Value(winner, values)),
    }
}

/// The union of all merges; of values that differ only in case, the one of the better rule stays.
fn united(winner: &Contribution, all: &[Contribution]) -> Result<Values, MixedMerge> {
    let mut values = Values::new();
    for contribution in all {
        match &contribution.value {
            FlowValue::Merge(part) => {
                for value in part {
                    if !values.iter().any(|known: &Value| known.folded() == value.folded()) {
                        values.push(value.clone());
                    }
                }
            }
            FlowValue::One(_) | FlowValue::List(_) | FlowValue::Unique(_) => {
                return Err(MixedMerge { first: winner.rule.to_string(), second: contribution.rule.to_string() });
            }
            FlowValue::Nothing
            | FlowValue::Absent
            | FlowValue::Keep
            | FlowValue::Once(_)
            | FlowValue::Seed(_)
            | FlowValue::References(_) => {}
        }
    }
    Ok(values)
}

/// The values of a metaverse attribute; none where merges and values are mixed (such contributions are refused before).
pub fn values(contributions: &[Contribution]) -> Values {
    match decide(contributions) {
        Ok(Winner::Value(_, values)) => values,
        Ok(Winner::Once(_, values) | Winner::Seed(_, values)) => values.clone(),
        Ok(Winner::Nobody | Winner::Keep | Winner::Absent(_) | Winner::References(..)) | Err(_) => Values::new(),
    }
}

/// Where the references of a metaverse attribute come from.
pub fn reference_source(contributions: &[Contribution]) -> Option<(ObjectId, AttributeName)> {
    match decide(contributions) {
        Ok(Winner::References(contribution, attribute)) => Some((contribution.object, attribute.clone())),
        Ok(_) | Err(_) => None,
    }
}

/// Whether two lists of contributions come to the same values and references.
pub fn same_outcome(left: &[Contribution], right: &[Contribution]) -> bool {
    same_values(&values(left), &values(right)) && reference_source(left) == reference_source(right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn contributions(list: &[(i64, FlowValue)]) -> Vec<Contribution> {
        let contribution = |(precedence, value): &(i64, FlowValue)| Contribution {
            object: ObjectId(Uuid::nil()),
            rule: format!("rule-{precedence}").into(),
            line: 1,
            precedence: *precedence,
            order: 0,
            value: value.clone(),
        };
        let mut list: Vec<_> = list.iter().map(contribution).collect();
        sort(&mut list);
        list
    }

    fn one(text: &str) -> FlowValue {
        FlowValue::One(Value::Text(text.into()))
    }

    fn merge(texts: &[&str]) -> FlowValue {
        FlowValue::Merge(texts.iter().map(|text| Value::Text((*text).into())).collect())
    }

    fn check(list: &[(i64, FlowValue)], expected: &[&str]) {
        let values: Vec<String> = values(&contributions(list)).iter().map(ToString::to_string).collect();
        assert_eq!(values, expected, "{list:?}");
    }

    #[test]
    fn the_lowest_number_with_something_to_say_wins() {
        check(&[(20, one("b")), (10, one("a"))], &["a"]);
        check(&[(20, one("b")), (10, FlowValue::Nothing)], &["b"]);
        check(&[(20, one("b")), (10, FlowValue::Absent)], &[]);
        check(&[(20, one("b")), (10, FlowValue::Keep)], &["b"]);
    }

    #[test]
    fn merges_are_united_and_keep_the_better_spelling() {
        check(&[(20, merge(&["B", "c"])), (10, merge(&["a", "b"]))], &["a", "b", "c"]);
        let mixed = contributions(&[(20, one("b")), (10, merge(&["a"]))]);
        assert!(decide(&mixed).is_err());
        let mixed = contributions(&[(20, merge(&["b"])), (10, one("a"))]);
        assert!(decide(&mixed).is_err());
    }

    #[test]
    fn only_unanimous_keep_keeps() {
        assert_eq!(decide(&contributions(&[(1, FlowValue::Keep)])), Ok(Winner::Keep));
        assert_eq!(decide(&contributions(&[(1, FlowValue::Keep), (2, FlowValue::Nothing)])), Ok(Winner::Nobody));
    }
}
