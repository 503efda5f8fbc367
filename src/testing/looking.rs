//! What came of a test, while it is compared with what the test expects.

use std::collections::{BTreeMap, BTreeSet};

use super::bless::Fix;
use super::file::{Expectation, Test, TestObject, Wanted, values};
use super::world::World;
use super::{Mismatch, Touched};
use crate::connector_space::{ConnectorObject, ObjectId};
use crate::metaverse::{FlowValue, MetaverseObject};
use crate::store::Draft;
use crate::sync::ledger::{LedgerError, View};
use crate::sync::{Synchronisation, precedence};
use crate::value::{AttributeName, Value, Values, same_values};

/// What came of a test, while it is compared.
pub(super) struct Looking<'w> {
    pub(super) world: &'w World<'w>,
    pub(super) draft: Draft<'w>,
    pub(super) synchronisation: Synchronisation<'w>,
    pub(super) mismatches: Vec<Mismatch>,
    /// Which expectation is looked at.
    pub(super) at: usize,
}

impl Looking<'_> {
    pub(super) fn miss(&mut self, what: &str, wanted: &str, got: &str, from: Option<String>) {
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
    pub(super) fn everything(&mut self, id: ObjectId) -> Result<(), LedgerError> {
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

    pub(super) fn find(&self, test: &Test, ids: &[ObjectId], name: &str) -> Option<ObjectId> {
        let named = |object: &TestObject| [&object.dn, &object.anchor].into_iter().flatten().any(|known| known == name);
        let at = test.object.iter().position(named)?;
        ids.get(at).copied()
    }

    /// Notes which rules were in scope of whom, and what they gave.
    pub(super) fn touch(
        &mut self,
        ids: &[ObjectId],
        touched: &mut BTreeMap<String, Touched>,
    ) -> Result<(), LedgerError> {
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

    pub(super) fn expect(&mut self, id: ObjectId, wanted: &Expectation, errors: &[String]) -> Result<(), LedgerError> {
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
