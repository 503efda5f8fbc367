//! What is known of a target's ways without asking it: what no two objects share, what it would refuse, what must be left
//! alone, what a request looks like.

use super::ldap::Flavour;
use super::{ExportItem, RenderedRequest, TenantFacts, graph, ldap};
use crate::connector_space::ConnectorObject;
use crate::value::{AttributeName, Attributes, Value, Values};

/// The kinds of directories that are written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// Microsoft Entra ID.
    Entra,
    /// Active Directory or another LDAP server.
    Ldap(Flavour),
}

impl TargetKind {
    /// Attributes whose values no two objects may share.
    pub fn unique_attributes(self, object_type: &str) -> &'static [&'static str] {
        match self {
            TargetKind::Entra => graph::unique_attributes(object_type),
            TargetKind::Ldap(flavour) => ldap::unique_attributes(flavour),
        }
    }

    /// What a value of an object takes from all others: attribute and folded text of each claim.
    pub fn claims(self, object_type: &str, name: &AttributeName, value: &Value) -> Vec<(AttributeName, String)> {
        if !self.unique_attributes(object_type).iter().any(|unique| *name == AttributeName::from(*unique)) {
            return Vec::new();
        }
        let address = if self == TargetKind::Entra { graph::claimed_address(name, value) } else { None };
        std::iter::once((name.clone(), value.folded())).chain(address).collect()
    }

    /// What an object will have of an attribute when what waits for it is written; nothing when that stays as it is.
    pub fn after(self, object: &ConnectorObject, name: &AttributeName) -> Option<Values> {
        let changes = &object.export.as_ref()?.changes;
        if let Some(change) = changes.get(name) {
            return Some(change.values.clone());
        }
        let source = if self == TargetKind::Entra { graph::source_of(name) } else { None };
        let change = changes.get(&source?)?;
        let values = object.image.get(name).map(Vec::as_slice);
        Some(graph::addresses_with(values.unwrap_or_default(), &change.values))
    }

    /// Attributes that are read though no rule may ask for them: who else has a value, and who has a licence.
    pub fn also_read(self, object_type: &str) -> Vec<&'static str> {
        match self {
            TargetKind::Entra => graph::also_read(object_type).collect(),
            TargetKind::Ldap(_) => Vec::new(),
        }
    }

    /// Attributes that say whose object it is: they are written once.
    pub fn anchor_attributes(self, object_type: &str) -> &'static [&'static str] {
        match self {
            TargetKind::Entra => graph::anchor_attributes(object_type),
            TargetKind::Ldap(_) => &[],
        }
    }

    /// Attributes by which an object says whose it is; none where every attribute is as good as another. What a
    /// Microsoft client left behind counts, too: the security identifier of who was synchronised by it.
    pub fn matching_attributes(self, object_type: &str) -> &'static [&'static str] {
        match self {
            TargetKind::Entra => graph::matching_attributes(object_type),
            TargetKind::Ldap(_) => &[],
        }
    }

    /// Why an object, by its type and image, must not be written.
    pub fn protected(self) -> fn(&str, &Attributes) -> Option<&'static str> {
        match self {
            TargetKind::Entra => graph::protected,
            TargetKind::Ldap(_) => ldap::protected,
        }
    }

    /// What is wrong with an object that is to be made; one sentence each.
    pub fn validate(self, object_type: &str, attributes: &Attributes, facts: &TenantFacts) -> Vec<String> {
        match self {
            TargetKind::Entra => graph::validate(object_type, attributes, facts),
            TargetKind::Ldap(flavour) => ldap::validate(flavour, object_type, attributes),
        }
    }

    /// What is wrong with values that are to be set on an object that is there.
    pub fn validate_changes(self, object_type: &str, attributes: &Attributes, facts: &TenantFacts) -> Vec<String> {
        match self {
            TargetKind::Entra => graph::validate_changes(object_type, attributes, facts),
            TargetKind::Ldap(flavour) => ldap::validate_changes(flavour, object_type, attributes),
        }
    }

    /// What is wrong with changing attributes of an object that was imported like this; one sentence each.
    pub fn validate_against<'a>(
        self,
        object_type: &str,
        image: &Attributes,
        changed: impl Iterator<Item = &'a AttributeName>,
    ) -> Vec<String> {
        match self {
            TargetKind::Entra => graph::validate_against(object_type, image, changed),
            TargetKind::Ldap(_) => Vec::new(),
        }
    }

    /// Why an object cannot be referred to by an attribute of another; both by their types and images.
    pub fn validate_reference(
        self,
        (from, image): (&str, &Attributes),
        attribute: &AttributeName,
        (to, other): (&str, &Attributes),
    ) -> Option<&'static str> {
        match self {
            TargetKind::Entra => graph::validate_reference((from, image), attribute, (to, other)),
            TargetKind::Ldap(_) => None,
        }
    }

    /// How many references of an attribute an object holds at most.
    pub fn most_references(self, object_type: &str, attribute: &AttributeName) -> Option<usize> {
        match self {
            TargetKind::Entra => graph::most_references(object_type, attribute),
            TargetKind::Ldap(_) => None,
        }
    }

    /// What is wrong with clearing an attribute.
    pub fn validate_clearing(self, name: &AttributeName) -> Option<String> {
        match self {
            TargetKind::Entra => graph::validate_clearing(name),
            TargetKind::Ldap(_) => ldap::validate_clearing(name),
        }
    }

    /// The requests that an item comes to; none for an item that changes nothing.
    pub fn render(self, item: &ExportItem) -> Vec<RenderedRequest> {
        match self {
            TargetKind::Entra => graph::render(item),
            TargetKind::Ldap(flavour) => ldap::render(flavour, item),
        }
    }

    /// Whether references name an object by what it is called, and nobody changes them when that changes.
    pub fn leaves_dangling_references(self) -> bool {
        self == TargetKind::Ldap(Flavour::OpenLdap)
    }

    /// How many references of one object go into an item.
    pub fn references_at_once(self) -> usize {
        match self {
            TargetKind::Entra => 20,
            TargetKind::Ldap(_) => 1_000,
        }
    }
}
