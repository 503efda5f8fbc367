//! Syncline as a library: rules from text, one person into a store in memory, and what would be written about her.
//! No directory, no files, no network. Run it with `cargo run --example embed`.

#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::Arc;

use syncline::connector::{Anchor, ImportedObject};
use syncline::diagnostic::SourceText;
use syncline::rules::{Context, RuleSet};
use syncline::store::{Indexes, Store};
use syncline::sync::{Matching, Source, Synchronisation, Target, ledger::View, stage};
use syncline::value::{AttributeName, AttributeType, Attributes, Kind, Schema, Value};

const IN: &str = r#"
    const rule = #{ from: "hr/user", to: "metaverse/person", link: "project", precedence: 100 };
    fn flow(user) { #{ number: user.number, displayName: words([user.given, user.family]) } }"#;
const OUT: &str = r#"
    const rule = #{ from: "metaverse/person", to: "entra/user", link: "provision", precedence: 100 };
    fn join(person) { [ #{ employeeId: person.number } ] }
    fn flow(person) { #{ employeeId: person.number, displayName: person.displayName } }"#;

fn main() -> Result<(), Box<dyn Error>> {
    let files = [("in-from-hr", IN), ("out-to-entra", OUT)]
        .map(|(name, text)| SourceText { path: format!("{name}.rhai").into(), text: text.into() });
    let (rules, _warnings) = RuleSet::compile(files.into(), BTreeMap::new())
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;

    // What an import shows: an object with the attributes that rules read.
    let attribute = |(name, value): (&str, &str)| (AttributeName::from(name), vec![Value::Text(value.into())]);
    let attributes: Attributes = [("number", "1815"), ("given", "Ada"), ("family", "Lovelace")].map(attribute).into();
    let imported = attributes.keys().cloned().collect::<BTreeSet<_>>();
    let (anchor, object_type) = (Anchor("1815".into()), "user".to_owned());
    let ada = ImportedObject { anchor, dn: None, object_type, attributes, references: BTreeMap::new() };

    // What is known about the two directories.
    let source = Source { imported: [("user".into(), Arc::new(imported))].into(), ..Source::default() };
    let text = AttributeType { kind: Kind::Text, multi: false, writable: true, max_length: None };
    let attributes = ["employeeId", "displayName"].map(|name| (name.into(), text.clone())).into();
    let schemas = [("user".into(), Schema { attributes, closed: true, ..Schema::default() })].into();
    let target = Target {
        schemas,
        context: Arc::new(Context::default()),
        reports_drift: false,
        protected: |_, _| None,
        matching: Matching::default(),
    };
    let (sources, targets) = ([("hr".into(), source)].into(), [("entra".into(), target)].into());
    let orders = [("hr".into(), 0), ("entra".into(), 1)].into();

    let mut store = Store::in_memory();
    let objects = [("entra".into(), rules.match_attributes("entra"))].into();
    store.set_indexes(Indexes { metaverse: rules.join_attributes(), objects, ..Indexes::default() })?;
    let mut draft = store.draft();
    stage::stage(&mut draft, "hr", &ada, &BTreeSet::new())?;
    let mut synchronisation = Synchronisation::new(&rules, &sources, &targets, &orders, 1);
    while synchronisation.step(&mut draft, 1_000)?.is_some() {}
    for id in draft.exports("entra", None, 1_000)? {
        println!("{}", serde_json::to_string_pretty(&draft.object(id)?.and_then(|object| object.export))?);
    }
    let changes = store.commit(draft.finish())?; // without this line, it was a preview
    println!("{} changes in the journal", changes.len());
    Ok(())
}
