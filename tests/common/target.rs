//! A target that forgets nothing and shows itself only when asked. Part of what it is sent may fail.

use std::collections::{BTreeMap, BTreeSet};

use syncline::connector::{Anchor, ImportedObject, Target};
use syncline::connector_space::{EdgeChange, ExportState, ObjectId, Operation};
use syncline::sync::ledger::{Ledger, View};
use syncline::sync::{deprovision, stage};
use syncline::value::{AttributeName, Attributes, Value};

use crate::world::World;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Entry {
    pub(crate) object_type: String,
    pub(crate) attributes: Attributes,
    pub(crate) references: BTreeMap<AttributeName, BTreeSet<Anchor>>,
}

/// What really is in the target.
#[derive(Default)]
pub(crate) struct Tenant {
    pub(crate) entries: BTreeMap<Anchor, Entry>,
    pub(crate) made: usize,
    /// Decides what fails.
    pub(crate) dice: u64,
}

impl Tenant {
    pub(crate) fn fails(&mut self, often: u8) -> bool {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % 10 < u64::from(often)
    }

    /// Takes what is due, as a run sends it: objects first, references after them. Some of it fails and stays due.
    pub(crate) fn export(&mut self, world: &mut World, often: u8) {
        let mut draft = world.store.draft();
        for id in draft.exports("entra", None, 10_000).unwrap() {
            let mut object = draft.object(id).unwrap().unwrap();
            let Some(mut export) = object.export.take() else { continue };
            if !export.is_due() || self.fails(often) {
                continue;
            }
            let anchor = object.anchor.clone().unwrap_or_else(|| {
                self.made += 1;
                Anchor(format!("t{}", self.made))
            });
            if export.operation == Operation::Delete {
                self.entries.remove(&anchor);
                for entry in self.entries.values_mut() {
                    entry.references.values_mut().for_each(|set| set.retain(|member| *member != anchor));
                }
            } else {
                let entry = self.entries.entry(anchor.clone()).or_default();
                entry.object_type.clone_from(&object.object_type);
                for (name, change) in export.changes.iter_mut().filter(|(_, change)| !change.sent) {
                    entry.attributes.remove(name);
                    if !change.values.is_empty() {
                        entry.attributes.insert(name.clone(), change.values.clone());
                    }
                    change.sent = true;
                }
            }
            export.state = ExportState::Exported;
            object.anchor = Some(anchor);
            object.export = Some(export);
            draft.put_object(&object).unwrap();
        }
        let edges = draft.edge_exports(None, 10_000).unwrap();
        // Additions first: a single-valued reference is replaced, and its old value need not be removed.
        for wanted in [EdgeChange::Add, EdgeChange::Remove] {
            for (from, attribute, to) in &edges {
                let mut edge = draft.edge(*from, attribute, *to).unwrap();
                let anchor = |id: ObjectId| draft.object(id).unwrap().and_then(|object| object.anchor);
                let (Some(owner), Some(member)) = (anchor(*from), anchor(*to)) else { continue };
                if edge.pending != Some(wanted) || !edge.is_due() || self.fails(often) {
                    continue;
                }
                let there = self.entries.contains_key(&member);
                let Some(entry) = self.entries.get_mut(&owner) else { continue };
                let set = entry.references.entry(attribute.clone()).or_default();
                match wanted {
                    EdgeChange::Add if !there => continue,
                    EdgeChange::Add => {
                        if *attribute == AttributeName::from("manager") {
                            set.clear();
                        }
                        set.insert(member);
                    }
                    EdgeChange::Remove => set.retain(|other| *other != member),
                }
                edge.sent = true;
                draft.put_edge(*from, attribute, *to, edge).unwrap();
            }
        }
        let writes = draft.finish();
        world.store.commit(writes).unwrap();
    }

    /// Shows everything, and proves what is gone.
    pub(crate) fn import(&self, world: &mut World) {
        let mut draft = world.store.draft();
        let references = BTreeSet::from(["members".into(), "manager".into()]);
        for (anchor, entry) in &self.entries {
            let targets = |set: &BTreeSet<Anchor>| set.iter().cloned().map(Target::Anchor).collect();
            let shown = ImportedObject {
                anchor: anchor.clone(),
                dn: None,
                object_type: entry.object_type.clone(),
                attributes: entry.attributes.clone(),
                references: entry.references.iter().map(|(name, set)| (name.clone(), targets(set))).collect(),
            };
            stage::stage(&mut draft, "entra", &shown, &references).unwrap();
        }
        for object_type in ["user", "group"] {
            for id in draft.population("entra", object_type, None, 10_000).unwrap() {
                let anchor = draft.object(id).unwrap().and_then(|object| object.anchor);
                if anchor.is_some_and(|anchor| !self.entries.contains_key(&anchor)) {
                    deprovision::gone(&mut draft, id, "deleted").unwrap();
                }
            }
        }
        let writes = draft.finish();
        world.store.commit(writes).unwrap();
    }

    /// One line an object, anchors replaced by names.
    pub(crate) fn shown(&self) -> Vec<String> {
        let name = |anchor: &Anchor| {
            let upn = self.entries.get(anchor).and_then(|entry| entry.attributes.get(&"upn".into()));
            upn.and_then(|values| values.first()).map_or_else(|| anchor.to_string(), Value::to_string)
        };
        let mut lines: Vec<String> = self
            .entries
            .iter()
            .map(|(anchor, entry)| {
                let references = entry.references.iter().filter(|(_, set)| !set.is_empty());
                let sets: BTreeMap<_, BTreeSet<String>> =
                    references.map(|(attribute, set)| (attribute, set.iter().map(name).collect())).collect();
                format!("{} {:?} {sets:?}", name(anchor), entry.attributes)
            })
            .collect();
        lines.sort();
        lines
    }
}
