//! The metaverse: one object for each person or group, put together from what rules contribute.
//!
//! Every contribution is kept, losers too: that is the lineage. Values are derived from them, never stored beside them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::connector_space::{ObjectError, ObjectId};
use crate::value::{AttributeName, Value, Values};

/// Identifies a metaverse object. Name-based: of the object that projected it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MetaverseId(pub Uuid);

/// The namespace of metaverse ids.
const NAMESPACE: Uuid = Uuid::from_u128(0x7d1f_5c0a_3b1e_5f6b_9a57_53b9_6a1c_e002);

impl MetaverseId {
    /// The id of the metaverse object that a connector object projects; `generation` counts those that it projected before.
    pub fn projected(from: ObjectId, generation: u32) -> MetaverseId {
        MetaverseId(Uuid::new_v5(&NAMESPACE, format!("{from}\0{generation}").as_bytes()))
    }
}

impl fmt::Display for MetaverseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One person, group, …
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetaverseObject {
    /// Its id.
    pub id: MetaverseId,
    /// `person`, `group`, …
    pub object_type: String,
    /// The connector objects that belong to it, and their connectors.
    pub links: Vec<(ObjectId, String)>,
    /// Everything that was contributed, by attribute; each list is sorted, the best first.
    pub contributions: BTreeMap<AttributeName, Vec<Contribution>>,
    /// How many objects were provisioned for it before, by connector.
    pub generations: BTreeMap<String, u32>,
    /// Why the last synchronisation could not carry it to a target.
    pub error: Option<ObjectError>,
}

/// One rule's value for one attribute: where it comes from, and whether it wins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contribution {
    /// The connector object.
    pub object: ObjectId,
    /// The rule.
    pub rule: Arc<str>,
    /// Its line.
    pub line: u32,
    /// Lower wins.
    pub precedence: i64,
    /// Breaks ties: the place of the connector in the configuration.
    pub order: u16,
    /// What it says.
    pub value: FlowValue,
}

impl MetaverseObject {
    /// A fresh object.
    pub fn new(id: MetaverseId, object_type: &str) -> MetaverseObject {
        MetaverseObject {
            id,
            object_type: object_type.to_owned(),
            links: Vec::new(),
            contributions: BTreeMap::new(),
            generations: BTreeMap::new(),
            error: None,
        }
    }

    /// The linked objects of a connector.
    pub fn linked<'a>(&'a self, connector: &'a str) -> impl Iterator<Item = ObjectId> + 'a {
        self.links.iter().filter(move |(_, of)| of == connector).map(|(id, _)| *id)
    }
}

/// One value of a flow map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FlowValue {
    /// `()`: nothing to contribute.
    Nothing,
    /// A single value.
    One(Value),
    /// A list; not empty.
    List(Values),
    /// `absent()`: no value, and nobody below may give one.
    Absent,
    /// `keep()`: as if this flow were not there.
    Keep,
    /// `once(v)`: only when the target object is created.
    Once(Values),
    /// `seed(v)`: only where the target has no value.
    Seed(Values),
    /// `merge(list)`: a part of a multi-valued attribute.
    Merge(Values),
    /// A whole set of references: the name of the reference attribute of the source object.
    References(AttributeName),
    /// `unique(list)`: the first of these names that nobody else has. Never stored: what was decided is `One`.
    Unique(Values),
}

impl FlowValue {
    /// The values it carries.
    pub fn values(&self) -> &[Value] {
        match self {
            FlowValue::One(value) => std::slice::from_ref(value),
            FlowValue::List(values)
            | FlowValue::Once(values)
            | FlowValue::Seed(values)
            | FlowValue::Merge(values)
            | FlowValue::Unique(values) => values,
            FlowValue::Nothing | FlowValue::Absent | FlowValue::Keep | FlowValue::References(_) => &[],
        }
    }
}

impl fmt::Display for FlowValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, values: &[Value]| {
            let texts: Vec<String> = values.iter().map(Value::to_string).collect();
            f.write_str(&texts.join(", "))
        };
        match self {
            FlowValue::Nothing => f.write_str("()"),
            FlowValue::One(value) => write!(f, "{value}"),
            FlowValue::List(values) => list(f, values),
            FlowValue::Absent => f.write_str("absent()"),
            FlowValue::Keep => f.write_str("keep()"),
            FlowValue::Once(values) => list(f, values).and_then(|()| f.write_str(" (once)")),
            FlowValue::Seed(values) => list(f, values).and_then(|()| f.write_str(" (seed)")),
            FlowValue::Merge(values) => list(f, values).and_then(|()| f.write_str(" (merged)")),
            FlowValue::Unique(values) => list(f, values).and_then(|()| f.write_str(" (the first that is free)")),
            FlowValue::References(name) => write!(f, "references of `{name}`"),
        }
    }
}
