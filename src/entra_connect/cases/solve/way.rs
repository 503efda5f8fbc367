//! A way through an expression: what an object must be like to go it, and which branches it meets.

use std::collections::{BTreeMap, BTreeSet};

use crate::entra_connect::expression::Node;

/// What an attribute of an object is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Want {
    Absent,
    /// There, whatever it is.
    Present,
    Text(String),
    Integer(i64),
    Boolean(bool),
    /// So many values.
    Count(usize),
}

/// Attributes, by their names in small letters, and what they are to be; the name as it was written first.
pub(in super::super) type Wants = BTreeMap<String, (String, Want)>;

/// A condition that holds, or does not: where it stands in its expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct Branch {
    pub(in super::super) start: usize,
    pub(in super::super) end: usize,
    pub(in super::super) holds: bool,
}

impl Branch {
    pub(super) fn of(node: &Node, holds: bool) -> Branch {
        Branch { start: node.span.start, end: node.span.end, holds }
    }
}

/// A way through an expression.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Way {
    pub(in super::super) wants: Wants,
    pub(in super::super) met: BTreeSet<Branch>,
    /// The text of the error that it ends in.
    pub(in super::super) error: Option<String>,
}

impl Way {
    /// One more wish, if it goes with those that are there.
    pub(in super::super) fn want(&self, name: &str, wish: Want) -> Vec<Way> {
        let key = name.to_ascii_lowercase();
        let kept = match (self.wants.get(&key).map(|(_, known)| known), &wish) {
            (None, _) => wish,
            (Some(known), wish) if known == wish => return vec![self.clone()],
            (Some(Want::Present), wish) if !is_nothing(wish) => wish.clone(),
            (Some(known), Want::Present) if !is_nothing(known) => return vec![self.clone()],
            // `other than x` is other than y, too.
            (Some(Want::Text(known)), Want::Text(new)) if known.starts_with("other than ") => Want::Text(new.clone()),
            (Some(Want::Text(_)), Want::Text(new)) if new.starts_with("other than ") => return vec![self.clone()],
            (Some(_), _) => return Vec::new(),
        };
        let mut way = self.clone();
        way.wants.insert(key, (name.to_owned(), kept));
        vec![way]
    }

    /// The same way, that meets one more branch.
    pub(super) fn meeting(mut self, branch: Branch) -> Way {
        self.met.insert(branch);
        self
    }
}

fn is_nothing(want: &Want) -> bool {
    matches!(want, Want::Absent | Want::Count(0))
}

/// So many ways are followed at once; of more, those that meet something new.
const WAYS: usize = 64;

/// One way for each branch that any of these meets, where there are too many.
pub(super) fn spare(ways: Vec<Way>) -> Vec<Way> {
    if ways.len() <= WAYS {
        return ways;
    }
    let mut met = BTreeSet::new();
    let mut kept = Vec::new();
    for way in ways {
        if kept.is_empty() || !way.met.is_subset(&met) {
            met.extend(way.met.iter().copied());
            kept.push(way);
        }
    }
    kept
}
