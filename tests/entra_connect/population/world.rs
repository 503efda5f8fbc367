//! A store in memory, with a forest and a tenant that is empty.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use syncline::connector::{Anchor, ImportedObject, Target as Refers, graph};
use syncline::connector_space::ObjectId;
use syncline::diagnostic::SourceText;
use syncline::entra_connect::{Export, State, convert};
use syncline::rules::{Context, RuleSet};
use syncline::store::{Draft, Indexes, Store};
use syncline::sync::{Matching, Source, Synchronisation, Target, stage};
use syncline::value::{AttributeName, Attributes};

use super::company::{LISTS, Person, REFERENCES};
use crate::engine::plain;

/// The types of objects that rules are about.
pub(crate) const KINDS: [&str; 4] = ["user", "group", "contact", "inetOrgPerson"];

pub(crate) fn imported(person: &Person) -> ImportedObject {
    let values = person.attributes.iter().map(|(name, value)| (AttributeName::from(name.as_str()), plain(value)));
    let attributes: Attributes = values.filter(|(_, values)| !values.is_empty()).collect();
    let references = person
        .references
        .iter()
        .map(|(name, dns)| (AttributeName::from(name.as_str()), dns.iter().cloned().map(Refers::Dn).collect()));
    ImportedObject {
        anchor: Anchor(person.number.to_string()),
        dn: Some(person.dn.clone()),
        object_type: person.kind.clone(),
        attributes,
        references: references.collect(),
    }
}

pub(crate) struct World {
    store: Store,
    pub(crate) rules: RuleSet,
}

impl World {
    /// The rules that ship in the place of Entra Connect's.
    pub(crate) fn shipped() -> World {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/entra-connect");
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "rhai") {
                files.push(SourceText { text: fs::read_to_string(&path).unwrap(), path });
            }
        }
        let (rules, _) = RuleSet::compile(files, BTreeMap::<String, String>::new()).expect("rules that compile");
        World { store: Store::in_memory(), rules }
    }

    pub(crate) fn of(export: &Export) -> World {
        let conversion = convert(export, &BTreeMap::new());
        let on = conversion.rules.iter().filter(|rule| rule.state == State::On);
        let on =
            on.map(|rule| (&rule.file, &rule.text)).chain(conversion.added.iter().map(|rule| (&rule.file, &rule.text)));
        let files = on.map(|(file, text)| SourceText { path: format!("{file}.rhai").into(), text: text.clone() });
        let settings: BTreeMap<String, String> = [("ad_forest_fqdn", "contoso.test"), ("ad_forest_netbios", "CONTOSO")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let (rules, _) = RuleSet::compile(files.collect(), settings).expect("rules that compile");
        World { store: Store::in_memory(), rules }
    }

    /// What is known of a directory that is read from files.
    pub(crate) fn source(&self) -> Source {
        let names = |names: &[&str]| names.iter().map(|name| AttributeName::from(*name)).collect::<BTreeSet<_>>();
        let mut source = Source::default();
        source.netbios.insert("contoso.test".to_owned(), "CONTOSO".to_owned());
        for kind in KINDS {
            source.imported.insert(kind.to_owned(), Arc::new(self.rules.reads("ad", kind)));
            source.lists.insert(kind.to_owned(), Arc::new(names(&LISTS)));
            source.references.insert(kind.to_owned(), names(&REFERENCES));
        }
        source
    }

    /// Synchronises what an import has shown.
    pub(crate) fn synchronise<'a>(
        &'a mut self,
        source: Source,
        company: impl Iterator<Item = ImportedObject>,
    ) -> (Draft<'a>, Vec<ObjectId>) {
        let mut context = Context { name: "target", ..Context::default() };
        context.texts.insert("connector", "entra".to_owned());
        context.texts.insert("initial_domain", "contoso.onmicrosoft.com".to_owned());
        context.lists.insert("verified_domains", vec!["contoso.test".to_owned()]);
        let target = Target {
            schemas: graph::schemas(),
            context: Arc::new(context),
            reports_drift: false,
            protected: |_, _| None,
            matching: Matching::default(),
        };
        let entra = Source {
            imported: ["user", "group"].map(|kind| (kind.to_owned(), Arc::new(self.rules.reads("entra", kind)))).into(),
            ..Source::default()
        };
        let sources: BTreeMap<String, Source> = [("ad".to_owned(), source), ("entra".to_owned(), entra)].into();
        let targets = [("entra".to_owned(), target)].into();
        let orders = [("ad".to_owned(), 0), ("entra".to_owned(), 1)].into();
        let objects = [("entra".to_owned(), self.rules.match_attributes("entra"))].into();
        let indexes = Indexes { metaverse: self.rules.join_attributes(), objects, ..Indexes::default() };
        self.store.set_indexes(indexes).unwrap();
        let mut draft = self.store.draft();
        let ids = company.map(|object| {
            let read = |name: &&AttributeName| self.rules.reads("ad", &object.object_type).contains(*name);
            let references = sources["ad"].references[&object.object_type].iter().filter(read).cloned().collect();
            stage::stage(&mut draft, "ad", &object, &references).unwrap().0
        });
        let ids = ids.collect();
        let mut synchronisation = Synchronisation::new(&self.rules, &sources, &targets, &orders, 2);
        while synchronisation.step(&mut draft, 2_000).unwrap().is_some() {}
        (draft, ids)
    }
}
