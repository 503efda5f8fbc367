//! What rules need from a connector: of which objects, which attributes, and which of these are references.

use std::collections::{BTreeMap, BTreeSet};

use super::RunError;
use super::session::Session;
use crate::connector::ImportRequest;
use crate::rules::{ConnectorType, RuleSet};
use crate::sync::memberships;
use crate::sync::stage::Readers;
use crate::value::{AttributeName, Kind, Schema};

/// What people want to see of an object even if no rule reads it, and what says whose it is.
const ALWAYS_READ: [&str; 5] = ["displayName", "userPrincipalName", "onPremisesSyncEnabled", "userType", "mail"];

/// What says whether an entry of an LDAP server may be written, and whether it is switched on.
const OF_TARGETS: [&str; 2] = ["isCriticalSystemObject", "userAccountControl"];

/// What to read from a connector, and which of it are references.
pub struct Wanted {
    /// For the directory.
    pub request: ImportRequest,
    /// Reference attributes by object type.
    pub references: BTreeMap<String, BTreeSet<AttributeName>>,
    /// Object types that no inbound rule reads.
    pub unread: BTreeSet<String>,
    /// Whether rules ask which groups objects are in.
    pub memberships: bool,
}

impl Wanted {
    /// What rules need from a connector.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn of(session: &Session, connector: &str) -> Result<Wanted, RunError> {
        let known = session.known()?;
        let schemas = &known.schemas;
        let directory = session.directory(connector)?;
        let mut wanted = Wanted {
            request: ImportRequest::default(),
            references: BTreeMap::new(),
            unread: BTreeSet::new(),
            memberships: false,
        };
        let types: BTreeSet<ConnectorType> = session.rule_sets().flat_map(RuleSet::connector_types).collect();
        for side in types.iter().filter(|side| side.connector == connector) {
            let reads = |rules: &RuleSet| rules.reads(connector, &side.object_type);
            let mut names: BTreeSet<AttributeName> = session.rule_sets().flat_map(reads).collect();
            let schema = schemas.get(connector).and_then(|types| types.get(&side.object_type));
            let is_reference = |name: &&AttributeName| {
                schema.and_then(|schema| schema.get(name)).is_some_and(|known| known.kind == Kind::Reference)
            };
            let references = names.iter().filter(is_reference).cloned().collect();
            wanted.references.insert(side.object_type.clone(), references);
            if session.rule_sets().all(|rules| rules.inbound(connector, &side.object_type).next().is_none()) {
                wanted.unread.insert(side.object_type.clone());
            }
            names.extend(ALWAYS_READ.map(AttributeName::from));
            if directory.is_target() {
                names.extend(OF_TARGETS.map(AttributeName::from));
                let also = directory.target_kind().map_or_else(Vec::new, |kind| kind.also_read(&side.object_type));
                names.extend(also.into_iter().map(AttributeName::from));
            }
            names.retain(|name| schema.is_none_or(|schema| !schema.closed || schema.get(name).is_some()));
            wanted.request.types.insert(side.object_type.clone(), names);
        }
        wanted.memberships = session.rule_sets().any(|rules| rules.asks_for_memberships(connector));
        if wanted.memberships {
            let types = directory.object_types();
            ask_for_members(&mut wanted, &types, schemas.get(connector).unwrap_or(&BTreeMap::new()));
        }
        Ok(wanted)
    }

    /// Who reads objects of a type.
    pub fn readers(&self, object_type: &str) -> Readers {
        Readers { rules: !self.unread.contains(object_type), memberships: self.memberships }
    }

    /// Reference attributes of any type.
    pub fn reference_attributes(&self) -> BTreeSet<AttributeName> {
        self.references.values().flatten().cloned().collect()
    }

    /// Whether an attribute of a type is read.
    pub fn asks_for(&self, object_type: &str, name: &AttributeName) -> bool {
        self.request.types.get(object_type).is_some_and(|names| names.contains(name))
    }
}

/// Who is in which group is to be known, though no rule may read groups.
fn ask_for_members(wanted: &mut Wanted, types: &[String], schemas: &BTreeMap<String, Schema>) {
    for object_type in types.iter().filter(|name| name.to_ascii_lowercase().contains("group")) {
        let known = |name: &AttributeName| schemas.get(object_type).is_none_or(|schema| schema.get(name).is_some());
        for name in memberships::ATTRIBUTES.map(AttributeName::from).into_iter().filter(known) {
            if !wanted.request.types.contains_key(object_type) {
                wanted.unread.insert(object_type.clone());
            }
            wanted.request.types.entry(object_type.clone()).or_default().insert(name.clone());
            wanted.references.entry(object_type.clone()).or_default().insert(name);
        }
    }
}
