//! What a rule is shown, and what it answers: plain data on both sides of the script.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use crate::metaverse::FlowValue;
use crate::value::{AttributeName, Attributes, Value, Values};

/// The object a rule looks at.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// The object: what looks random to rules follows from it.
    pub id: Uuid,
    /// Values, including what is exported but not yet confirmed.
    pub attributes: Attributes,
    /// Confirmed values of those attributes where they differ from `attributes`; an empty list is "no value".
    pub confirmed: BTreeMap<AttributeName, Values>,
    /// Reference attributes that hold at least one reference, and how many (1 stands for "some" unless counted).
    pub references: BTreeMap<AttributeName, usize>,
    /// The groups that it is in; nothing where nobody knows, because no groups were imported or no rule asks.
    pub groups: Option<Groups>,
    /// Attributes that scripts see as lists.
    pub lists: Arc<BTreeSet<AttributeName>>,
    /// Attributes that were imported for this object type; nothing: all. Reading another is an error.
    pub imported: Option<Arc<BTreeSet<AttributeName>>>,
    /// The read-only context, `source` for inbound rules and `target` for outbound ones.
    pub context: Arc<Context>,
}

/// The groups that an object is in: their DNs (normalised) and anchors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// Of which it is a member itself.
    pub direct: BTreeSet<String>,
    /// Of which a group is a member that it is in.
    pub nested: BTreeSet<String>,
}

/// Named facts that are not attributes: `source.domain_fqdn`, `target.verified_domains`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// `source` or `target`.
    pub name: &'static str,
    /// Single values.
    pub texts: BTreeMap<&'static str, String>,
    /// Lists.
    pub lists: BTreeMap<&'static str, Vec<String>>,
}

/// One attribute that a rule flows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Where to.
    pub attribute: AttributeName,
    /// What.
    pub value: FlowValue,
    /// The line of the rule file.
    pub line: u32,
}

/// One key of a join group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinKey {
    /// An attribute of the other side.
    pub attribute: AttributeName,
    /// What it must hold.
    pub value: Value,
    /// Whether letter case counts.
    pub exact: bool,
}

/// Keys that must all hold. A group in which a key had no value is not here: it is skipped, never matched.
pub type JoinGroup = Vec<JoinKey>;

/// Why a rule failed on an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleError {
    /// The rule.
    pub rule: String,
    /// `scope`, `join`, `flow`, `copy`.
    pub function: String,
    /// 1-based line and column in the rule file, where known.
    pub line: Option<u32>,
    /// See `line`.
    pub column: Option<u32>,
    /// The attribute that was being computed, where known.
    pub attribute: Option<AttributeName>,
    /// What went wrong.
    pub message: String,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.rhai", self.rule)?;
        if let Some(line) = self.line {
            write!(f, ":{line}:{}", self.column.unwrap_or(1))?;
        }
        write!(f, " ({}", self.function)?;
        if let Some(attribute) = &self.attribute {
            write!(f, ", `{attribute}`")?;
        }
        write!(f, "): {}", self.message)
    }
}

impl std::error::Error for RuleError {}
