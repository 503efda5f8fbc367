//! A small world in memory: the connectors of the configuration with their shipped schemas, the objects of one test, and
//! the same synchronisation as in a run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::bless::Fix;
use super::file::{Test, TestFile, TestObject, values};
use super::looking::Looking;
use super::{Mismatch, Touched};
use crate::connector::graph;
use crate::connector_space::{Anchor, ImportedObject, ObjectId, Target as Reference};
use crate::rules::{Context, Coverage, Direction, RuleSet, Schemas};
use crate::store::{Draft, Indexes, Store};
use crate::sync::ledger::LedgerError;
use crate::sync::{Matching, Source, Sources, Synchronisation, Target, Targets, memberships, stage};
use crate::value::{AttributeName, Kind, Value};

/// How many objects are synchronised in a step.
const STEP: usize = 1_000;
/// The day of a test that names none, in seconds since 1970: 2001-01-01.
const DAY: i64 = 978_307_200;

pub(super) struct World<'a> {
    pub(super) rules: &'a RuleSet,
    schemas: &'a Schemas,
    store: Store,
    sources: Sources,
    pub(super) targets: Targets,
    orders: BTreeMap<String, u16>,
    coverage: Option<&'a Coverage>,
}

impl<'a> World<'a> {
    pub(super) fn new(
        rules: &'a RuleSet,
        schemas: &'a Schemas,
        file: &TestFile,
        coverage: Option<&'a Coverage>,
    ) -> World<'a> {
        let mut world = World {
            rules,
            schemas,
            store: Store::in_memory(),
            sources: Sources::new(),
            targets: Targets::new(),
            orders: BTreeMap::new(),
            coverage,
        };
        // A directory may be written to and read by rules, too.
        let written: BTreeSet<String> = rules
            .rules()
            .iter()
            .filter_map(|rule| match &rule.header.direction {
                Direction::Outbound { to, .. } => Some(to.connector.clone()),
                Direction::Inbound { .. } => None,
            })
            .collect();
        for (name, types) in schemas {
            world.orders.insert(name.clone(), u16::try_from(world.orders.len()).unwrap_or(u16::MAX));
            let mut source = Source::default();
            for (object_type, schema) in types {
                let lists = schema.attributes.iter().filter(|(_, kind)| kind.multi && kind.kind != Kind::Reference);
                source.lists.insert(object_type.clone(), Arc::new(lists.map(|(name, _)| name.clone()).collect()));
                let mut reads = rules.reads(name, object_type);
                // A test shows all the groups that there are.
                reads.extend(memberships::ATTRIBUTES.map(AttributeName::from));
                source.imported.insert(object_type.clone(), Arc::new(reads));
            }
            world.sources.insert(name.clone(), source);
            if written.contains(name) {
                let facts = file.targets.get(name).cloned().unwrap_or_default();
                let mut context = Context { name: "target", ..Context::default() };
                context.texts.insert("connector", name.clone());
                context.texts.insert("name", name.clone());
                context.texts.insert("initial_domain", facts.initial_domain);
                context.lists.insert("verified_domains", facts.verified_domains);
                let context = Arc::new(context);
                let target = Target {
                    schemas: types.clone(),
                    context,
                    reports_drift: false,
                    protected: graph::protected,
                    matching: Matching::default(),
                };
                world.targets.insert(name.clone(), target);
            }
        }
        world
    }

    /// Runs a test, and says what is not as expected.
    pub(super) fn check(mut self, test: &Test, touched: &mut BTreeMap<String, Touched>) -> Vec<Mismatch> {
        match self.outcome(test, touched) {
            Ok(mismatches) => mismatches,
            Err(error) => {
                vec![Mismatch { what: "the test".into(), wanted: "to run".into(), got: error.0, from: None, fix: None }]
            }
        }
    }

    /// What to write into a test so that it passes; nothing for what cannot be expected.
    pub(super) fn fixes(self, test: &Test, touched: &mut BTreeMap<String, Touched>) -> Vec<Option<Fix>> {
        self.check(test, touched).into_iter().map(|mismatch| mismatch.fix).collect()
    }

    fn outcome(&mut self, test: &Test, touched: &mut BTreeMap<String, Touched>) -> Result<Vec<Mismatch>, LedgerError> {
        let failed = |error: crate::store::StoreError| LedgerError(error.to_string());
        let mut indexes = Indexes { metaverse: self.rules.join_attributes(), ..Indexes::default() };
        for name in self.targets.keys() {
            indexes.objects.insert(name.clone(), self.rules.match_attributes(name));
        }
        self.store.set_indexes(indexes).map_err(failed)?;
        let mut draft = self.store.draft();
        let at = test.day().unwrap_or(DAY);
        if !test.before.is_empty() {
            self.show(&mut draft, &test.before)?;
            self.synchronise(&mut draft, at)?;
        }
        let ids = self.show(&mut draft, &test.object)?;
        let errors = self.synchronise(&mut draft, at)?;
        let synchronisation = self.synchronisation(at);
        let mut looking = Looking { world: self, draft, synchronisation, mismatches: Vec::new(), at: 0 };
        looking.touch(&ids, touched)?;
        if let (Some(id), []) = (ids.first(), test.expect.as_slice()) {
            looking.everything(*id)?;
        }
        for (at, expectation) in test.expect.iter().enumerate() {
            looking.at = at;
            let id = match &expectation.of {
                Some(name) => looking.find(test, &ids, name),
                None => ids.first().copied(),
            };
            match id {
                Some(id) => looking.expect(id, expectation, &errors)?,
                None => looking.miss("of", expectation.of.as_deref().unwrap_or("an object"), "no such object", None),
            }
        }
        let told = test.expect.iter().any(|expectation| expectation.error.is_some());
        for error in errors.iter().filter(|_| !told) {
            looking.miss("the synchronisation", "no error", error, None);
        }
        Ok(looking.mismatches)
    }

    fn synchronisation(&self, at: i64) -> Synchronisation<'_> {
        Synchronisation::new(self.rules, &self.sources, &self.targets, &self.orders, 1).at(at)
    }

    /// Stages what directories show.
    fn show(&self, draft: &mut Draft<'_>, objects: &[TestObject]) -> Result<Vec<ObjectId>, LedgerError> {
        let mut ids = Vec::new();
        for (number, object) in objects.iter().enumerate() {
            let (connector, imported) = self.imported(object, number);
            let references = imported.references.keys().cloned().collect();
            ids.push(stage::stage(draft, &connector, &imported, &references)?.0);
        }
        Ok(ids)
    }

    /// Runs the rules until nothing is due, and gives the errors of objects.
    fn synchronise(&self, draft: &mut Draft<'_>, at: i64) -> Result<Vec<String>, LedgerError> {
        let mut steps = self.synchronisation(at).recording(self.coverage);
        let mut errors = Vec::new();
        while let Some(step) = steps.step(draft, STEP)? {
            errors.extend(step.errors.into_iter().map(|(who, why)| format!("{who}: {why}")));
        }
        Ok(errors)
    }

    fn imported(&self, object: &TestObject, number: usize) -> (String, ImportedObject) {
        let (connector, object_type) = object.place.get_ref().split_once('/').unwrap_or_default();
        let schema = self.schemas.get(connector).and_then(|types| types.get(object_type));
        let mut attributes = BTreeMap::new();
        for (name, value) in &object.attributes {
            let name = AttributeName::from(name.get_ref().as_str());
            let values = values(value);
            // Text that a schema calls a time or bytes stays text: rules are shown what files deliver.
            if !values.is_empty() && schema.is_none_or(|schema| schema.get(&name).is_some()) {
                attributes.insert(name, values);
            }
        }
        let references = object.references.iter().map(|(name, targets)| {
            (name.as_str().into(), targets.iter().map(|dn| Reference::Dn(dn.clone())).collect())
        });
        let mut references: BTreeMap<AttributeName, Vec<Reference>> = references.collect();
        for (name, count) in &object.count {
            let name = AttributeName::from(name.get_ref().as_str());
            let made_up = (1..=*count).map(|number| format!("CN=made up {number}"));
            if schema.and_then(|schema| schema.get(&name)).is_some_and(|known| known.kind == Kind::Reference) {
                references.entry(name).or_default().extend(made_up.map(Reference::Dn));
            } else {
                attributes.entry(name).or_default().extend(made_up.map(Value::Text));
            }
        }
        let anchor = object.anchor.clone().or_else(|| object.dn.clone()).unwrap_or_else(|| format!("object-{number}"));
        let imported = ImportedObject {
            anchor: Anchor(anchor),
            dn: object.dn.clone(),
            object_type: object_type.to_owned(),
            attributes,
            references,
        };
        (connector.to_owned(), imported)
    }
}
