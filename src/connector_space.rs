//! The connector space: a mirror of each directory's objects, with their links and what waits to be written to them.
//!
//! Plain data and the state machine of exports. Knows neither rules nor stores.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::metaverse::MetaverseId;
use crate::value::{AttributeName, Attributes, Kind, Value, Values};

/// The immutable identifier of an object in its directory, as text: a GUID in its usual form (AD `objectGUID`, LDAP
/// `entryUUID`, Entra `id`), or whatever else the directory has. Compares to the letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Anchor(pub String);

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Identifies an object of the connector space for good. Name-based, so that a preview shows the id a run will make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ObjectId(pub Uuid);

/// The namespace of our name-based ids.
const NAMESPACE: Uuid = Uuid::from_u128(0x7d1f_5c0a_3b1e_5f6b_9a57_53b9_6a1c_e001);

impl ObjectId {
    /// The id of an object that an import shows.
    pub fn of_anchor(connector: &str, anchor: &Anchor) -> ObjectId {
        ObjectId(Uuid::new_v5(&NAMESPACE, format!("{connector}\0anchor\0{anchor}").as_bytes()))
    }

    /// The id of a place that only a reference names so far.
    pub fn of_dn(connector: &str, normalised_dn: &str) -> ObjectId {
        ObjectId(Uuid::new_v5(&NAMESPACE, format!("{connector}\0dn\0{normalised_dn}").as_bytes()))
    }

    /// The id of the object that is provisioned for a metaverse object; `generation` counts its predecessors.
    pub fn provisioned(connector: &str, metaverse: MetaverseId, generation: u32) -> ObjectId {
        ObjectId(Uuid::new_v5(&NAMESPACE, format!("{connector}\0for\0{}\0{generation}", metaverse.0).as_bytes()))
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a reference points to, as the directory names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Target {
    /// A distinguished name, as delivered.
    Dn(String),
    /// An anchor.
    Anchor(Anchor),
}

/// One object as an import shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedObject {
    /// Its immutable identifier.
    pub anchor: Anchor,
    /// Its distinguished name, in directories that have them.
    pub dn: Option<String>,
    /// The most specific requested object type: `user`, `inetOrgPerson`, `group`, `contact`, `groupOfNames`.
    pub object_type: String,
    /// Attributes without references; never an empty list, never empty text.
    pub attributes: Attributes,
    /// References by attribute, whole sets.
    pub references: BTreeMap<AttributeName, Vec<Target>>,
}

/// One object of one directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorObject {
    /// Its id here.
    pub id: ObjectId,
    /// The connector that it belongs to.
    pub connector: String,
    /// `user`, `group`, …
    pub object_type: String,
    /// Its id in the directory; nothing until it was created there.
    pub anchor: Option<Anchor>,
    /// Its distinguished name, as delivered.
    pub dn: Option<String>,
    /// What the last import showed, without references.
    pub image: Attributes,
    /// The metaverse object that it belongs to.
    pub link: Option<Link>,
    /// What waits to be written.
    pub export: Option<Export>,
    /// What outbound rules said about it last.
    pub outbound: Outbound,
    /// A complete import did not show it, and nothing has proved yet that it is gone.
    pub missing: bool,
    /// Why the last synchronisation left it as it was.
    pub error: Option<ObjectError>,
    /// While it is not linked: metaverse values (folded) that its rules join on. Whoever gets one of them may be it.
    pub seeks: BTreeSet<(AttributeName, String)>,
    /// What a person decided about its link.
    pub pin: Option<Pin>,
}

/// A person's word about the link of an object. No rule undoes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Joined by hand, or else kept apart: it neither joins nor projects, and no rule to its directory finds it.
    pub joined: bool,
    /// Why.
    pub reason: String,
}

impl ConnectorObject {
    /// Whether a person said that it belongs to nobody.
    pub fn is_kept_apart(&self) -> bool {
        self.pin.as_ref().is_some_and(|pin| !pin.joined)
    }

    /// Whether a person said to whom it belongs.
    pub fn is_joined_by_hand(&self) -> bool {
        self.pin.as_ref().is_some_and(|pin| pin.joined)
    }
}

/// Why an object was left as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectError {
    /// A word that never changes its meaning: `ambiguous-join`.
    pub code: String,
    /// A sentence.
    pub message: String,
}

/// Whether values of an attribute say that an account is on; nothing for attributes that say nothing about it. Entra ID
/// has `accountEnabled`, Active Directory a bit (2) of `userAccountControl`.
pub fn enables(attribute: &AttributeName, values: &[Value]) -> Option<bool> {
    match values.first()? {
        Value::Boolean(on) if *attribute == AttributeName::from("accountEnabled") => Some(*on),
        Value::Integer(flags) if *attribute == AttributeName::from("userAccountControl") => Some(flags & 2 == 0),
        _ => None,
    }
}

/// How an object came to its metaverse object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkKind {
    /// Inbound: joined an existing metaverse object.
    Joined,
    /// Inbound: created it.
    Projected,
    /// Inbound: joined, and keeps it alive.
    Sticky,
    /// Outbound: created for it.
    Provisioned,
    /// Outbound: found in the target.
    Matched,
    /// Outbound: found, and taken over by `syncline adopt`.
    Adopted,
}

impl LinkKind {
    /// Whether the link keeps its metaverse object alive.
    pub fn keeps_alive(self) -> bool {
        match self {
            LinkKind::Projected | LinkKind::Sticky => true,
            LinkKind::Joined | LinkKind::Provisioned | LinkKind::Matched | LinkKind::Adopted => false,
        }
    }

    /// Whether the object may be disabled or deleted when its rule no longer holds.
    pub fn owned(self) -> bool {
        match self {
            LinkKind::Provisioned | LinkKind::Adopted => true,
            LinkKind::Joined | LinkKind::Projected | LinkKind::Sticky | LinkKind::Matched => false,
        }
    }

    /// Whether an outbound rule made it.
    pub fn is_outbound(self) -> bool {
        match self {
            LinkKind::Provisioned | LinkKind::Matched | LinkKind::Adopted => true,
            LinkKind::Joined | LinkKind::Projected | LinkKind::Sticky => false,
        }
    }
}

/// The link of a connector object to its metaverse object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// To which.
    pub metaverse: MetaverseId,
    /// How it came about.
    pub kind: LinkKind,
    /// The rule that made it.
    pub rule: String,
}

/// What outbound rules decided for an object, kept for the steps that follow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outbound {
    /// Reference attributes that rules flow: where each set comes from.
    pub references: BTreeMap<AttributeName, ReferenceSource>,
    /// The last wish for `accountEnabled` that took effect.
    pub enabled: Option<bool>,
    /// Values of ours that others changed, by attribute.
    pub corrections: BTreeMap<AttributeName, Correction>,
    /// Attributes that were left alone, and why.
    pub held: BTreeMap<AttributeName, String>,
    /// What to do when the provisioning rule no longer holds.
    pub deprovision: Option<Deprovision>,
    /// Where that is to disable: after how many days it is deleted.
    pub delete_after: Option<u16>,
    /// We made or adopted it. Outlives the link.
    pub owned: bool,
    /// It was switched off and let go, and is deleted after some days.
    pub grace: Option<Grace>,
    /// A rule thinks that it may be somebody's. A person decides.
    pub proposed: Option<Proposal>,
}

/// The time between being switched off and being deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grace {
    /// How many days.
    pub days: u16,
    /// Since when, in seconds since 1970; nothing before the directory has shown that it is off.
    pub since: Option<i64>,
}

/// A soft match: an object that looks like somebody's, and does not carry the anchor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Whose it may be.
    pub metaverse: MetaverseId,
    /// The rule that found it.
    pub rule: String,
    /// The attributes that agree.
    pub by: Vec<AttributeName>,
}

/// A value that others keep changing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    /// How often they did.
    pub times: u8,
    /// What it was before they did first. Once rules want something else, counting begins anew.
    pub wish: Values,
}

/// Where a set of references comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceSource {
    /// The source object.
    pub object: ObjectId,
    /// Its reference attribute.
    pub attribute: AttributeName,
    /// How the target's set is reconciled.
    pub members: Members,
    /// The rule that flows it out.
    pub rule: String,
}

/// What is to be done in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Make the object.
    Create,
    /// Change attributes.
    Update,
    /// Delete it.
    Delete,
}

/// How far an export has come. `InFlight` is on disk before the directory is called; after a crash it means that the
/// outcome is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExportState {
    /// Not sent.
    Pending,
    /// Being sent.
    InFlight,
    /// The directory took it; an import has not shown it yet.
    Exported,
    /// The directory refused it.
    Failed {
        /// The directory's code.
        code: String,
        /// What it said.
        message: String,
    },
}

/// A step of the export that does not follow from the state before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an export that is {from:?} cannot become {to:?}")]
pub struct IllegalTransition {
    from: ExportState,
    to: ExportState,
}

impl ExportState {
    /// The state after this one, if it may follow.
    ///
    /// # Errors
    /// When it may not.
    pub fn next(&self, to: ExportState) -> Result<ExportState, IllegalTransition> {
        use ExportState::{Exported, Failed, InFlight, Pending};
        let legal = match (self, &to) {
            (Pending | Failed { .. }, InFlight | Pending) => true,
            (InFlight, Exported | Failed { .. } | Pending) => true,
            (Exported, Pending) => true,
            (Pending | Failed { .. }, Exported | Failed { .. }) | (InFlight, InFlight) | (Exported, _) => false,
        };
        if legal { Ok(to) } else { Err(IllegalTransition { from: self.clone(), to }) }
    }
}

/// What waits to be written to an object: a difference against its image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// What to do.
    pub operation: Operation,
    /// How far it is.
    pub state: ExportState,
    /// Attribute by attribute; an empty list clears.
    pub changes: BTreeMap<AttributeName, ValueChange>,
    /// Why, in a few words.
    pub reason: String,
}

/// One attribute of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueChange {
    /// What it shall be; empty clears.
    pub values: Values,
    /// Whether the directory has taken it already.
    pub sent: bool,
    /// How many imports have not shown it since.
    pub unseen: u8,
    /// The rule that wants it, and its line.
    pub rule: String,
    /// See `rule`.
    pub line: u32,
}

impl Export {
    /// Whether there is something to send. What the directory refused is not sent again as it is.
    pub fn is_due(&self) -> bool {
        match (&self.state, self.operation) {
            (ExportState::Pending, Operation::Create | Operation::Delete) => true,
            (ExportState::Pending, Operation::Update) => self.changes.values().any(|change| !change.sent),
            (ExportState::InFlight | ExportState::Exported | ExportState::Failed { .. }, _) => false,
        }
    }

    /// The object is there: what has not been sent is an update from now on, without what only a creation takes.
    pub fn object_exists(&mut self) {
        self.operation = Operation::Update;
        self.forget_passwords();
    }

    /// The directory took everything that was to be sent.
    pub fn mark_sent(&mut self) {
        self.state = ExportState::Exported;
        self.changes.values_mut().for_each(|change| change.sent = true);
        self.forget_passwords();
    }

    /// Passwords belong to the creation alone, and no import ever shows them.
    fn forget_passwords(&mut self) {
        self.changes.retain(|_, change| !change.values.iter().any(|value| value.kind() == Kind::Password));
    }

    /// Whether it wants the same as another, of whichever rule and line.
    pub fn wants_the_same(&self, other: &Export) -> bool {
        self.changes.iter().map(wish).eq(other.changes.iter().map(wish))
    }

    /// What was refused is tried again.
    pub fn retry(&mut self) {
        if matches!(self.state, ExportState::Failed { .. }) {
            self.state = ExportState::Pending;
        }
    }
}

fn wish<'e>((name, change): (&'e AttributeName, &'e ValueChange)) -> (&'e AttributeName, &'e Values, bool) {
    (name, &change.values, change.sent)
}

impl ConnectorObject {
    /// A fresh object without attributes.
    pub fn new(id: ObjectId, connector: &str, object_type: &str) -> ConnectorObject {
        ConnectorObject {
            id,
            connector: connector.to_owned(),
            object_type: object_type.to_owned(),
            anchor: None,
            dn: None,
            image: Attributes::new(),
            link: None,
            export: None,
            outbound: Outbound::default(),
            missing: false,
            error: None,
            seeks: BTreeSet::new(),
            pin: None,
        }
    }

    /// What a person would call it.
    pub fn title(&self) -> String {
        let named = |name: &str| {
            let values = self.image.get(&name.into()).or_else(|| {
                let export = self.export.as_ref()?;
                export.changes.get(&name.into()).map(|change| &change.values)
            });
            values.and_then(|values| values.first()).map(ToString::to_string)
        };
        self.dn
            .clone()
            .or_else(|| named("userPrincipalName"))
            .or_else(|| named("displayName"))
            .or_else(|| self.anchor.as_ref().map(ToString::to_string))
            .unwrap_or_else(|| self.id.to_string())
    }

    /// The attributes as rules see them: the image, with what is on its way laid over it.
    pub fn expected(&self) -> Attributes {
        let mut attributes = self.image.clone();
        for (name, change) in self.export.iter().flat_map(|export| &export.changes) {
            if change.values.is_empty() {
                attributes.remove(name);
            } else {
                attributes.insert(name.clone(), change.values.clone());
            }
        }
        attributes
    }
}

/// What happens to the object in the target when its provisioning rule no longer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deprovision {
    /// It is deleted.
    Delete,
    /// It is disabled (`accountEnabled` false).
    Disable,
    /// The link goes, the object stays.
    Disconnect,
    /// Nothing changes.
    Nothing,
}

/// How members are reconciled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Members {
    /// Only what we added is removed.
    Own,
    /// The target has exactly what the rule says.
    Exact,
}

/// How one reference of an object stands between what is there and what shall be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// The last import showed it.
    pub seen: bool,
    /// What shall become of it.
    pub pending: Option<EdgeChange>,
    /// The pending change was taken by the directory already.
    pub sent: bool,
    /// The directory refused the pending change.
    pub refused: bool,
    /// We added it.
    pub ours: bool,
    /// Somebody else added or removed it in the target since it was as rules want it.
    pub drifted: bool,
}

/// What shall become of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EdgeChange {
    /// Add it.
    Add,
    /// Remove it.
    Remove,
}

impl Edge {
    /// Whether the record says nothing at all.
    pub fn is_void(&self) -> bool {
        !self.seen && self.pending.is_none() && !self.ours && !self.drifted
    }

    /// Whether there is something to send. What the directory refused is not sent again as it is.
    pub fn is_due(&self) -> bool {
        self.pending.is_some() && !self.sent && !self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_is_never_repeated_blindly() {
        let in_flight = ExportState::Pending.next(ExportState::InFlight);
        assert_eq!(in_flight, Ok(ExportState::InFlight));
        assert!(ExportState::InFlight.next(ExportState::InFlight).is_err());
        assert!(ExportState::Exported.next(ExportState::InFlight).is_err());
        assert!(ExportState::Pending.next(ExportState::Exported).is_err());
        assert_eq!(ExportState::InFlight.next(ExportState::Pending), Ok(ExportState::Pending));
    }

    #[test]
    fn a_line_that_moved_is_no_other_wish() {
        let change = |text: &str, line| ValueChange {
            values: vec![Value::Text(text.into())],
            sent: false,
            unseen: 0,
            rule: "out-user".into(),
            line,
        };
        let export = |change| Export {
            operation: Operation::Update,
            state: ExportState::Pending,
            changes: [("displayName".into(), change)].into(),
            reason: String::new(),
        };
        assert!(export(change("Ada", 7)).wants_the_same(&export(change("Ada", 8))));
        assert!(!export(change("Ada", 7)).wants_the_same(&export(change("Zoe", 7))));
    }
}
