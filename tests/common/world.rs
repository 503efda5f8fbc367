//! A small world in memory: rules as text, objects as short lines, exports as text. No directory and no disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use syncline::connector::{Anchor, ImportedObject, Target as Refers, schema::Schema};
use syncline::connector_space::{EdgeChange, ExportState, ObjectId, Operation};
use syncline::diagnostic::SourceText;
use syncline::rules::{Context, RuleSet};
use syncline::store::{Indexes, Store};
use syncline::sync::comparison::Comparison;
use syncline::sync::ledger::{Ledger, View};
use syncline::sync::{Matching, Source, Sources, Synchronisation, Target, Targets, audit, deprovision, stage};
use syncline::value::{AttributeName, AttributeType, Attributes, Kind, Value};

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) rules: RuleSet,
    pub(crate) sources: Sources,
    pub(crate) targets: Targets,
    pub(crate) orders: BTreeMap<String, u16>,
    pub(crate) errors: Vec<String>,
    /// How many work at the same time.
    pub(crate) workers: usize,
}

fn not_protected(_: &str, attributes: &Attributes) -> Option<&'static str> {
    let synced = attributes.get(&"onPremisesSyncEnabled".into());
    (synced == Some(&vec![Value::Boolean(true)])).then_some("mastered elsewhere")
}

impl World {
    /// Rules as (name, text); connectors `ad`, `hr` (sources) and `entra` (target).
    pub(crate) fn new(rules: &[(&str, &str)]) -> World {
        let rules = compile(rules);
        let everything = |names: &str| Arc::new(names.split(' ').map(AttributeName::from).collect::<BTreeSet<_>>());
        let names = "id name mail office title number manager member enabled department phones upn";
        let mut source = Source::default();
        for object_type in ["user", "group"] {
            source.imported.insert(object_type.into(), everything(names));
            source.lists.insert(object_type.into(), everything("phones"));
        }
        let entra = Source { imported: source.imported.clone(), ..Source::default() };
        let sources = Sources::from([("ad".into(), source.clone()), ("hr".into(), source), ("entra".into(), entra)]);
        let text = |multi| AttributeType { kind: Kind::Text, multi, writable: true, max_length: None };
        let mut schema = Schema { closed: true, ..Schema::default() };
        for name in ["immutableId", "upn", "displayName", "mail", "title"] {
            schema.attributes.insert(name.into(), text(false));
        }
        schema.attributes.insert("phones".into(), text(true));
        schema.attributes.insert("accountEnabled".into(), AttributeType { kind: Kind::Boolean, ..text(false) });
        schema.attributes.insert("members".into(), AttributeType { kind: Kind::Reference, ..text(true) });
        schema.attributes.insert("manager".into(), AttributeType { kind: Kind::Reference, ..text(false) });
        let schemas = BTreeMap::from([("user".into(), schema.clone()), ("group".into(), schema)]);
        let context = Arc::new(Context { name: "target", ..Context::default() });
        let target =
            Target { schemas, context, reports_drift: false, protected: not_protected, matching: Matching::default() };
        let targets = Targets::from([("entra".into(), target)]);
        let orders = BTreeMap::from([("ad".into(), 0), ("hr".into(), 1), ("entra".into(), 2)]);
        let mut world =
            World { store: Store::in_memory(), rules, sources, targets, orders, errors: Vec::new(), workers: 2 };
        let indexes = world.indexes();
        world.store.set_indexes(indexes).unwrap();
        world
    }

    /// Other rules from now on: whom the edit touches is due, and nobody else.
    pub(crate) fn set_rules(&mut self, rules: &[(&str, &str)]) {
        let before = std::mem::replace(&mut self.rules, compile(rules));
        let indexes = self.indexes();
        self.store.set_indexes(indexes).unwrap();
        self.mark_touched(&before);
    }

    fn mark_touched(&mut self, before: &RuleSet) {
        let after = &self.rules;
        let digest = |set: &RuleSet, name: &str| set.rule(name).map(|rule| set.digest(rule));
        let names = before.rules().iter().chain(after.rules()).map(|rule| rule.name.clone());
        let names: BTreeSet<String> = names.filter(|name| digest(before, name) != digest(after, name)).collect();
        let (before, after) = (before.only(&names), after.only(&names));
        let comparison = Comparison::new((&before, &after), (&self.sources, &self.targets), (0, 0), true, 1);
        let mut draft = self.store.draft();
        for (connector, object_type) in
            ["ad", "hr", "entra"].into_iter().flat_map(|name| [(name, "user"), (name, "group")])
        {
            let objects = draft.population(connector, object_type, None, 10_000).unwrap();
            for id in comparison.objects(&draft, (connector, object_type), &objects).unwrap() {
                draft.mark_object(id).unwrap();
            }
        }
        let people = draft.all_metaverse(None, 10_000).unwrap();
        for id in comparison.people(&draft, &people, &BTreeSet::new()).unwrap() {
            draft.mark_metaverse(id).unwrap();
        }
        let writes = draft.finish();
        self.store.commit(writes).unwrap();
    }

    /// What the store finds objects by.
    pub(crate) fn indexes(&self) -> Indexes {
        let mut indexes = Indexes { metaverse: self.rules.join_attributes(), ..Indexes::default() };
        indexes.objects.insert("entra".into(), ["immutableId".into(), "upn".into()].into());
        indexes
    }

    /// Shows objects to the store: `user u1 name=Ada mail=a@x manager=>u2`.
    pub(crate) fn import(&mut self, connector: &str, lines: &str) -> &mut World {
        let mut draft = self.store.draft();
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let references = ["member".into(), "manager".into(), "members".into()].into();
            // In parts, as very large groups are.
            let memberships = self.rules.asks_for_memberships(connector);
            let readers = stage::Readers { rules: true, memberships };
            let staging = stage::stage_part(&mut draft, connector, &object(line), &references, readers, 1).unwrap();
            let staged = draft.object(staging.id).unwrap().unwrap();
            for (attribute, to, seen) in staging.rest {
                stage::stage_edge(&mut draft, &staged, &attribute, to, seen, readers).unwrap();
            }
        }
        let writes = draft.finish();
        self.store.commit(writes).unwrap();
        self
    }

    pub(crate) fn delete(&mut self, connector: &str, anchor: &str) -> &mut World {
        let mut draft = self.store.draft();
        let id = draft.id_of_anchor(connector, &Anchor(anchor.into())).unwrap();
        deprovision::gone(&mut draft, id, "deleted").unwrap();
        let writes = draft.finish();
        self.store.commit(writes).unwrap();
        self
    }

    pub(crate) fn sync(&mut self) -> &mut World {
        self.errors.clear();
        let (sources, targets) = (&self.sources, &self.targets);
        let mut synchronisation = Synchronisation::new(&self.rules, sources, targets, &self.orders, self.workers);
        loop {
            let mut draft = self.store.draft();
            let report = synchronisation.step(&mut draft, 50).unwrap();
            let writes = draft.finish();
            self.store.commit(writes).unwrap();
            match report {
                Some(report) => self.errors.extend(report.errors.into_iter().map(|(who, why)| format!("{who}: {why}"))),
                None => break,
            }
        }
        self.audit();
        self
    }

    fn audit(&self) {
        let draft = self.store.draft();
        let mut findings = Vec::new();
        for id in draft.all_objects(None, 100_000).unwrap() {
            findings.extend(audit::object(&draft, &draft.object(id).unwrap().unwrap()).unwrap());
        }
        for id in draft.all_metaverse(None, 100_000).unwrap() {
            findings.extend(audit::metaverse(&draft, &draft.metaverse(id).unwrap().unwrap()).unwrap());
        }
        assert_eq!(findings, Vec::<String>::new());
    }

    /// What waits to be written to `entra`, one line each, sorted.
    pub(crate) fn exports(&self) -> String {
        let draft = self.store.draft();
        let mut lines = Vec::new();
        for id in draft.exports("entra", None, 10_000).unwrap() {
            let object = draft.object(id).unwrap().unwrap();
            let Some(export) = object.export.clone() else { continue };
            let changes: Vec<String> = export
                .changes
                .iter()
                .filter(|(_, change)| !change.sent)
                .map(|(name, change)| {
                    let values: Vec<String> = change.values.iter().map(ToString::to_string).collect();
                    format!("{name}={}", values.join("|"))
                })
                .collect();
            if export.is_due() {
                let operation = format!("{:?}", export.operation).to_lowercase();
                lines.push(format!("{operation} {} {}", self.name(id), changes.join(" ")).trim_end().to_owned());
            }
        }
        for (from, attribute, to) in draft.edge_exports(None, 10_000).unwrap() {
            let edge = draft.edge(from, &attribute, to).unwrap();
            let sign = match edge.pending {
                Some(EdgeChange::Add) => '+',
                Some(EdgeChange::Remove) => '-',
                None => '?',
            };
            if edge.is_due() {
                lines.push(format!("{attribute} {} {sign}{}", self.name(from), self.name(to)));
            }
        }
        lines.sort();
        lines.join("\n")
    }

    pub(crate) fn name(&self, id: ObjectId) -> String {
        let draft = self.store.draft();
        let object = draft.object(id).unwrap().unwrap();
        let upn = object.expected().get(&"upn".into()).and_then(|values| values.first().map(ToString::to_string));
        upn.or(object.anchor.map(|anchor| anchor.0)).unwrap_or_else(|| id.to_string())
    }

    /// The directory takes everything that is due, and shows it at the next import.
    pub(crate) fn export(&mut self) -> &mut World {
        let mut draft = self.store.draft();
        let mut shown: Vec<ImportedObject> = Vec::new();
        let mut deleted = Vec::new();
        for id in draft.exports("entra", None, 10_000).unwrap() {
            let mut object = draft.object(id).unwrap().unwrap();
            let Some(mut export) = object.export.take() else { continue };
            if export.operation == Operation::Delete {
                deleted.push(object.anchor.clone().unwrap().0);
                object.export = Some(export);
                continue;
            }
            let attributes = {
                object.export = Some(export.clone());
                object.expected()
            };
            export.state = ExportState::Exported;
            export.changes.values_mut().for_each(|change| change.sent = true);
            let name = attributes[&syncline::value::AttributeName::from("upn")].first().unwrap().to_string();
            object.anchor.get_or_insert(Anchor(format!("e-{name}")));
            object.export = Some(export);
            draft.put_object(&object).unwrap();
            shown.push(ImportedObject {
                anchor: object.anchor.clone().unwrap(),
                dn: None,
                object_type: object.object_type.clone(),
                attributes,
                references: BTreeMap::new(),
            });
        }
        for (from, attribute, to) in draft.edge_exports(None, 10_000).unwrap() {
            let mut edge = draft.edge(from, &attribute, to).unwrap();
            edge.sent = true;
            draft.put_edge(from, &attribute, to, edge).unwrap();
            let add = edge.pending == Some(EdgeChange::Add);
            edge.seen = add;
            edge.pending = None;
            edge.sent = false;
            edge.ours = add;
            draft.put_edge(from, &attribute, to, edge).unwrap();
        }
        for object in shown {
            stage::stage(&mut draft, "entra", &object, &BTreeSet::new()).unwrap();
        }
        let writes = draft.finish();
        self.store.commit(writes).unwrap();
        for anchor in deleted {
            self.delete("entra", &anchor);
        }
        self
    }
}

fn compile(rules: &[(&str, &str)]) -> RuleSet {
    let files = rules
        .iter()
        .map(|(name, text)| SourceText { path: format!("rules/{name}.rhai").into(), text: (*text).to_owned() })
        .collect();
    match RuleSet::compile(files, BTreeMap::new()) {
        Ok((set, _)) => set.active(false),
        Err(problems) => panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

/// Reads `user u1 name=Ada enabled=#true number=#7 manager=>u2 member=>u1,u2`; `dn=cn=u1` is its place, and `manager=>cn=u2`
/// refers to one.
fn object(line: &str) -> ImportedObject {
    let mut words = line.split(' ');
    let object_type = words.next().unwrap().to_owned();
    let anchor = Anchor(words.next().unwrap().to_owned());
    let mut object =
        ImportedObject { anchor, dn: None, object_type, attributes: Attributes::new(), references: BTreeMap::new() };
    for word in words {
        let (name, text) = word.split_once('=').unwrap();
        if let Some(targets) = text.strip_prefix('>') {
            let target = |text: &str| match text.contains('=') {
                true => Refers::Dn(text.into()),
                false => Refers::Anchor(Anchor(text.into())),
            };
            object.references.insert(name.into(), targets.split(',').map(target).collect());
            continue;
        }
        if name == "dn" {
            object.dn = Some(text.to_owned());
            continue;
        }
        let value = |text: &str| match text.strip_prefix('#') {
            Some("true") => Value::Boolean(true),
            Some("false") => Value::Boolean(false),
            Some(number) => Value::Integer(number.parse().unwrap()),
            None => Value::Text(text.replace('_', " ")),
        };
        object.attributes.insert(name.into(), text.split(',').map(value).collect());
    }
    object
}
