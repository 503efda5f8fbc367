//! Branches that no test meets, and why.

use serde::Serialize;

use super::{Made, Pair, Setting, solve};
use crate::entra_connect::convert::{ConvertedFlow, file_of};
use crate::entra_connect::export::Direction;
use crate::entra_connect::expression::Node;

/// A branch that no test meets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Untested {
    /// The rule, by its name there.
    pub rule: String,
    /// Its new file.
    pub file: String,
    /// The attribute here.
    pub attribute: String,
    /// The condition, as it stands there.
    pub condition: String,
    /// Whether it is about the condition holding, or not holding.
    pub holds: bool,
    /// Why there is no test.
    pub why: &'static str,
}

impl Setting<'_> {
    pub(super) fn untested(&self, pair: Pair<'_>, flow: &ConvertedFlow, node: &Node, made: &Made) -> Vec<Untested> {
        let unmet = solve::branches(node).into_iter().filter(|branch| !made.met.contains(branch));
        let say = |branch: solve::Branch| {
            let condition = flow.original.get(branch.start..branch.end).unwrap_or_default();
            Untested {
                rule: pair.rule.name.clone(),
                file: file_of(pair.rule),
                attribute: flow.here.clone(),
                condition: condition.split_whitespace().collect::<Vec<_>>().join(" "),
                holds: branch.holds,
                why: self.why(pair, node, branch, made),
            }
        };
        unmet.map(say).collect()
    }

    fn why(&self, pair: Pair<'_>, node: &Node, branch: solve::Branch, made: &Made) -> &'static str {
        let original = pair.original;
        let inbound = original.direction == Direction::Inbound;
        let schema = |name: &str| match inbound {
            true => self.schemas.of_directory(&original.connector, name),
            false => self.schemas.of_metaverse(name),
        };
        if inbound != self.is_directory(&original.connector) {
            "tests are made of rules from forests and of rules to the tenant alone"
        } else if !solve::is_solved(node, branch, &schema) {
            "no object is known for it"
        } else if !made.ways.iter().any(|way| way.met.contains(&branch)) {
            "what is asked before it rules it out"
        } else if inbound && self.is_masked(pair.rule, original, node) {
            "a rule before it ends in the same error"
        } else if inbound {
            "no object in scope of the rule is known for it"
        } else {
            "nothing that a forest and the tenant show is known to make the metaverse so, in scope of the rule"
        }
    }
}
