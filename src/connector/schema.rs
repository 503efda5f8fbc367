//! What directories say about their attributes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::value::{AttributeName, AttributeType};

/// The attributes of one object type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// By name.
    pub attributes: BTreeMap<AttributeName, AttributeType>,
    /// Whether a name that is not listed does not exist. A shipped table of well-known names is not closed.
    pub closed: bool,
}

impl Schema {
    /// The type of an attribute.
    pub fn get(&self, name: &AttributeName) -> Option<&AttributeType> {
        self.attributes.get(name)
    }
}
