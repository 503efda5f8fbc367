//! A small world in memory: the connectors of the configuration with their shipped schemas, the objects of one test, and
//! the same synchronisation as in a run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::bless::Fix;
use super::file::{Expectation, Test, TestFile, TestObject, Wanted, values};
use super::{Mismatch, Touched};
use crate::connector::graph;
use crate::connector_space::{Anchor, ConnectorObject, ImportedObject, ObjectId, Target as Reference};
use crate::metaverse::{FlowValue, MetaverseObject};
use crate::rules::{Context, Coverage, Direction, RuleSet, Schemas};
use crate::store::{Draft, Indexes, Store};
use crate::sync::ledger::{LedgerError, View};
use crate::sync::{Matching, Source, Sources, Synchronisation, Target, Targets, memberships, precedence, stage};
use crate::value::{AttributeName, Kind, Value, Values, same_values};

/// How many objects are synchronised in a step.
const STEP: usize = 1_000;
/// The day of a test that names none, in seconds since 1970: 2001-01-01.
const DAY: i64 = 978_307_200;

pub(super) struct World<'a> {
    rules: &'a RuleSet,
    schemas: &'a Schemas,
    store: Store,
    sources: Sources,
    targets: Targets,
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
        let mut ids = Vec::new();
        for (number, object) in test.object.iter().enumerate() {
            let (connector, imported) = self.imported(object, number);
            let references = imported.references.keys().cloned().collect();
            ids.push(stage::stage(&mut draft, &connector, &imported, &references)?.0);
        }
        let at = test.day().unwrap_or(DAY);
        let synchronisation = || Synchronisation::new(self.rules, &self.sources, &self.targets, &self.orders, 1).at(at);
        let mut steps = synchronisation().recording(self.coverage);
        let mut errors = Vec::new();
        while let Some(step) = steps.step(&mut draft, STEP)? {
            errors.extend(step.errors.into_iter().map(|(who, why)| format!("{who}: {why}")));
        }
        let mut looking =
            Looking { world: self, draft, synchronisation: synchronisation(), mismatches: Vec::new(), at: 0 };
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
        let anchor = object.anchor.clone().or_else(|| object.dn.clone()).unwrap_or_else(|| format!("object-{number}"));
        let imported = ImportedObject {
            anchor: Anchor(anchor),
            dn: object.dn.clone(),
            object_type: object_type.to_owned(),
            attributes,
            references: references.collect(),
        };
        (connector.to_owned(), imported)
    }
}

/// What came of a test, while it is compared.
struct Looking<'w> {
    world: &'w World<'w>,
    draft: Draft<'w>,
    synchronisation: Synchronisation<'w>,
    mismatches: Vec<Mismatch>,
    /// Which expectation is looked at.
    at: usize,
}

impl Looking<'_> {
    fn miss(&mut self, what: &str, wanted: &str, got: &str, from: Option<String>) {
        let mismatch = Mismatch { what: what.into(), wanted: wanted.into(), got: got.into(), from, fix: None };
        self.mismatches.push(mismatch);
    }

    /// What would make the last mismatch none.
    fn fix(&mut self, section: &str, name: Option<&str>, values: Values) {
        let fix = Fix { expectation: self.at, section: section.into(), name: name.map(str::to_owned), values };
        if let Some(last) = self.mismatches.last_mut() {
            last.fix = Some(fix);
        }
    }

    fn miss_there(&mut self, section: &str, wish: bool) {
        let say = |there: bool| if there { "there" } else { "not there" };
        self.miss(section, say(wish), say(!wish), None);
        self.fix(section, None, vec![Value::Boolean(!wish)]);
    }

    /// A test that expects nothing cannot fail, and so is none: everything that is, is missing from it.
    fn everything(&mut self, id: ObjectId) -> Result<(), LedgerError> {
        let Some(object) = self.draft.object(id)? else { return Ok(()) };
        let expected = |this: &mut Self, section: &str, name: Option<&str>, values: Values| {
            let what = name.map_or_else(|| section.to_owned(), |name| format!("{section}.{name}"));
            let got: Vec<String> = values.iter().map(ToString::to_string).collect();
            this.miss(
                &what,
                "to be expected: the test expects nothing; `--bless` writes what is",
                &got.join(", "),
                None,
            );
            this.fix(section, name, values);
        };
        let Some(person) = self.person_of(&object)? else {
            expected(self, "person", None, vec![Value::Boolean(false)]);
            return Ok(());
        };
        for (name, list) in &person.contributions {
            let values = precedence::values(list);
            if !values.is_empty() {
                expected(self, "person", Some(name.as_str()), values);
            }
        }
        for connector in self.world.targets.keys() {
            let linked = person.linked(connector).next();
            let Some(object) = linked.map(|id| self.draft.object(id)).transpose()?.flatten() else {
                expected(self, connector, None, vec![Value::Boolean(false)]);
                continue;
            };
            for (name, values) in object.expected() {
                expected(self, connector, Some(name.as_str()), values);
            }
        }
        Ok(())
    }

    fn person_of(&self, object: &ConnectorObject) -> Result<Option<MetaverseObject>, LedgerError> {
        match &object.link {
            Some(link) => self.draft.metaverse(link.metaverse),
            None => Ok(None),
        }
    }

    fn find(&self, test: &Test, ids: &[ObjectId], name: &str) -> Option<ObjectId> {
        let named = |object: &TestObject| [&object.dn, &object.anchor].into_iter().flatten().any(|known| known == name);
        let at = test.object.iter().position(named)?;
        ids.get(at).copied()
    }

    /// Notes which rules were in scope of whom, and what they gave.
    fn touch(&mut self, ids: &[ObjectId], touched: &mut BTreeMap<String, Touched>) -> Result<(), LedgerError> {
        let Some(host) = self.synchronisation.host() else { return Ok(()) };
        let mut people = BTreeSet::new();
        for id in ids {
            let Some(object) = self.draft.object(*id)? else { continue };
            people.extend(object.link.as_ref().map(|link| link.metaverse));
            let input = self.synchronisation.input(&self.draft, &object)?;
            for rule in self.world.rules.inbound(&object.connector, &object.object_type) {
                let Some(touched) = touched.get_mut(&rule.name) else { continue };
                match host.scope(rule, &input) {
                    Ok(true) => {
                        touched.in_scope = true;
                        let given = host.flow(rule, &input).unwrap_or_default().into_iter();
                        let given = given.filter(|flow| flow.value != FlowValue::Nothing);
                        touched.flowed.extend(given.map(|flow| flow.attribute.to_string()));
                    }
                    Ok(false) => touched.out_of_scope = true,
                    Err(_) => {}
                }
            }
        }
        for id in people {
            let Some(person) = self.draft.metaverse(id)? else { continue };
            for evaluation in self.synchronisation.evaluate_outbound(host, &person).unwrap_or_default() {
                for rule in &evaluation.in_scope {
                    touched.entry(rule.clone()).or_default().in_scope = true;
                }
                for rule in &evaluation.out_of_scope {
                    touched.entry(rule.clone()).or_default().out_of_scope = true;
                }
                for (name, list) in &evaluation.flows {
                    for contribution in list.iter().filter(|one| one.value != FlowValue::Nothing) {
                        touched.entry(contribution.rule.to_string()).or_default().flowed.insert(name.to_string());
                    }
                }
            }
        }
        Ok(())
    }

    fn expect(&mut self, id: ObjectId, wanted: &Expectation, errors: &[String]) -> Result<(), LedgerError> {
        let Some(object) = self.draft.object(id)? else { return Ok(()) };
        if let Some(part) = &wanted.error
            && !errors.iter().any(|error| error.contains(part.as_str()))
        {
            self.miss("error", part, errors.first().map_or("no error", String::as_str), None);
        }
        self.scopes(&object, wanted)?;
        let person = self.person_of(&object)?;
        match (&wanted.person, &person) {
            (None, _) | (Some(Wanted::There(true)), Some(_)) | (Some(Wanted::There(false)), None) => {}
            (Some(Wanted::There(wish)), _) => self.miss_there("person", *wish),
            (Some(Wanted::Holds(_)), None) => self.miss_there("person", true),
            (Some(Wanted::Holds(wishes)), Some(person)) => self.person(person, wishes),
        }
        for (connector, wanted) in &wanted.targets {
            self.target(connector, wanted, person.as_ref())?;
        }
        Ok(())
    }

    fn scopes(&mut self, object: &ConnectorObject, wanted: &Expectation) -> Result<(), LedgerError> {
        let mut found = Vec::new();
        if let Some(host) = self.synchronisation.host() {
            for (name, wish) in &wanted.scope {
                let Some(rule) = self.world.rules.rule(name.get_ref()) else { continue };
                let outbound = matches!(rule.header.direction, crate::rules::Direction::Outbound { .. });
                let input = match &object.link {
                    Some(link) if outbound => match self.draft.metaverse(link.metaverse)? {
                        Some(person) => self.synchronisation.outbound_input(&person, &rule.connector()),
                        None => continue,
                    },
                    _ => self.synchronisation.input(&self.draft, object)?,
                };
                let (got, from, fix) = match host.scope(rule, &input) {
                    Ok(scope) if scope == *wish => continue,
                    Ok(scope) => {
                        let clause = host.why_not(rule, &input);
                        let from = clause.map(|clause| format!("{}.rhai:{}  {}", rule.name, clause.line, clause.text));
                        (scope.to_string(), from, Some(scope))
                    }
                    Err(error) => (error.to_string(), None, None),
                };
                found.push((rule.name.clone(), wish.to_string(), got, from, fix));
            }
        }
        for (rule, wish, got, from, fix) in found {
            self.miss(&format!("scope of {rule}"), &wish, &got, from);
            if let Some(scope) = fix {
                self.fix("scope", Some(&rule), vec![Value::Boolean(scope)]);
            }
        }
        Ok(())
    }

    fn person(&mut self, person: &MetaverseObject, wishes: &BTreeMap<String, toml::Value>) {
        for (name, wish) in wishes {
            let list = person.contributions.get(&name.as_str().into()).map_or(&[][..], Vec::as_slice);
            let got = precedence::values(list);
            let from = list.first().map(|one| format!("{}.rhai:{}", one.rule, one.line));
            self.compare(("person", name), wish, &got, from);
        }
    }

    fn target(
        &mut self,
        connector: &str,
        wanted: &Wanted,
        person: Option<&MetaverseObject>,
    ) -> Result<(), LedgerError> {
        let linked = person.and_then(|person| person.linked(connector).next());
        let object = match linked {
            Some(id) => self.draft.object(id)?,
            None => None,
        };
        let there = object.is_some();
        match wanted {
            Wanted::There(wish) if *wish == there => {}
            Wanted::There(wish) => self.miss_there(connector, *wish),
            Wanted::Holds(wishes) => {
                let Some(object) = object else {
                    self.miss_there(connector, true);
                    return Ok(());
                };
                let holds = object.expected();
                for (name, wish) in wishes {
                    let attribute = AttributeName::from(name.as_str());
                    let mut got = holds.get(&attribute).cloned().unwrap_or_default();
                    if object.outbound.references.contains_key(&attribute) {
                        got = self.referred(object.id, &attribute)?;
                    }
                    let change = object.export.as_ref().and_then(|export| export.changes.get(&attribute));
                    let from = change.map(|change| format!("{}.rhai:{}", change.rule, change.line));
                    self.compare((connector, name), wish, &got, from);
                }
            }
        }
        Ok(())
    }

    /// Whom a reference leads to, by the names that test files use: user name or display name.
    fn referred(&self, from: ObjectId, attribute: &AttributeName) -> Result<Values, LedgerError> {
        let mut names = Values::new();
        for (to, edge) in self.draft.edges(from, attribute)? {
            let stays = edge.pending != Some(crate::connector_space::EdgeChange::Remove);
            if let (true, Some(object)) = (stays, self.draft.object(to)?) {
                names.push(crate::value::Value::Text(object.title()));
            }
        }
        names.sort_by_key(ToString::to_string);
        Ok(names)
    }

    fn compare(&mut self, (section, name): (&str, &str), wish: &toml::Value, got: &Values, from: Option<String>) {
        let real = got;
        // What is only a wish is compared by how it reads.
        let read = |value: &Value| match value {
            Value::Password(_) => Value::Text(value.to_string()),
            value => value.clone(),
        };
        let got = &got.iter().map(read).collect::<Values>();
        let nothing = *wish == toml::Value::Boolean(false) && got.is_empty();
        if nothing || same_values(&values(wish), got) {
            return;
        }
        let shown = |values: &Values| match values.as_slice() {
            [] => "no value".to_owned(),
            values => {
                values.iter().map(|value| format!("{value:?}").replacen("Text(", "", 1)).collect::<Vec<_>>().join(", ")
            }
        };
        let shown = |values: &Values| shown(values).replace("\")", "\"");
        let wanted =
            if *wish == toml::Value::Boolean(false) { "no value, or false".into() } else { shown(&values(wish)) };
        let got = shown(got);
        self.miss(&format!("{section}.{name}"), &wanted, &got, from);
        self.fix(section, Some(name), real.clone());
    }
}
