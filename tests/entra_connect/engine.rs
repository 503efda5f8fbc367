//! Expressions as rules: converted, compiled, and evaluated for objects in a store in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use syncline::connector::{Anchor, ImportedObject};
use syncline::diagnostic::SourceText;
use syncline::entra_connect::{
    AttributeSchema, Connector, ConnectorKind, Conversion, Direction, Export, Flow, FlowSource, Format, Link, Merge,
    Place, Rule, convert,
};
use syncline::rules::RuleSet;
use syncline::store::{Indexes, Store};
use syncline::sync::ledger::View;
use syncline::sync::{Source, Synchronisation, Targets, precedence, stage};
use syncline::value::{AttributeName, Attributes, Kind, Value, Values};

use crate::oracle;

/// Attributes of the objects that expressions are tried on, by kind; well-known ones, whose kinds need no schema.
pub(crate) const TEXTS: [&str; 8] =
    ["cn", "displayName", "mail", "title", "sAMAccountName", "department", "mailNickname", "extensionAttribute1"];
pub(crate) const LISTS: [&str; 3] = ["proxyAddresses", "otherTelephone", "url"];
pub(crate) const NUMBERS: [&str; 3] = ["userAccountControl", "msExchRecipientTypeDetails", "countryCode"];
pub(crate) const BOOLEANS: [&str; 2] = ["msExchHideFromAddressLists", "isCriticalSystemObject"];
pub(crate) const BYTES: [&str; 2] = ["objectGUID", "objectSid"];

pub(crate) fn is_list(name: &str) -> bool {
    LISTS.iter().chain(&["description", "postOfficeBox", "otherPhone"]).any(|list| list.eq_ignore_ascii_case(name))
}

pub(crate) fn is_boolean(name: &str) -> bool {
    BOOLEANS.iter().any(|boolean| boolean.eq_ignore_ascii_case(name))
}

fn place() -> Place {
    Place { file: Path::new("test").to_owned(), line: 1 }
}

/// A configuration of one rule with one flow: `answer := expression`.
pub(crate) fn export(expression: &str) -> Export {
    let id = "00001111-aaaa-2222-bbbb-3333cccc4444".to_owned();
    let connector = Connector {
        id: id.clone(),
        name: "contoso.com".to_owned(),
        kind: ConnectorKind::ActiveDirectory,
        parameters: BTreeMap::new(),
        accounts: Vec::new(),
        partitions: Vec::new(),
        // No well-known attribute; the examples of the reference have it.
        schema: [("otherPhone".to_owned(), AttributeSchema { kind: Kind::Text, multi: true })].into(),
        selected: Vec::new(),
        features: BTreeMap::new(),
    };
    let flow = Flow {
        to: "answer".to_owned(),
        from: FlowSource::Expression(expression.to_owned()),
        once: false,
        merge: Merge::Update,
        place: place(),
    };
    let rule = Rule {
        id: "1".to_owned(),
        name: "In".to_owned(),
        description: String::new(),
        tag: None,
        by_reference: false,
        direction: Direction::Inbound,
        disabled: false,
        connector: id,
        directory_type: "user".to_owned(),
        metaverse_type: "person".to_owned(),
        link: Link::Provision,
        precedence: 1,
        before: None,
        after: None,
        soft_delete: None,
        password_sync: false,
        scope: Vec::new(),
        joins: Vec::new(),
        flows: vec![flow],
        place: place(),
    };
    Export {
        format: Format::PowerShell,
        server: None,
        version: None,
        settings: BTreeMap::new(),
        metaverse: BTreeMap::new(),
        connectors: vec![connector],
        rules: vec![rule],
        remarks: Vec::new(),
    }
}

/// The one rule that an expression becomes.
pub(crate) fn converted(expression: &str) -> Conversion {
    convert(&export(expression), &BTreeMap::new())
}

/// The names of domains and forests that expressions may ask for.
pub(crate) fn parameters() -> BTreeMap<String, String> {
    [
        ("Domain.FQDN", "contoso.com"),
        ("Domain.Netbios", "CONTOSO"),
        ("Forest.FQDN", "contoso.com"),
        ("Forest.Netbios", "CONTOSO"),
        ("Forest.LDAP", "DC=contoso,DC=com"),
        ("ForestLDAP", "DC=contoso,DC=com"),
        ("Domain.LDAP", "DC=contoso,DC=com"),
        ("Connector.ID", "ad"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// An object, for both: what an import shows.
pub(crate) fn imported(number: usize, attributes: &BTreeMap<String, oracle::Value>) -> ImportedObject {
    let dn = match attributes.get("dn") {
        Some(oracle::Value::Text(dn)) => dn.clone(),
        _ => format!("CN=Person {number},OU=Sales,DC=contoso,DC=com"),
    };
    let values = attributes.iter().filter(|(name, _)| *name != "dn");
    let values = values.map(|(name, value)| (AttributeName::from(name.as_str()), plain(value)));
    let attributes: Attributes = values.filter(|(_, values)| !values.is_empty()).collect();
    ImportedObject {
        anchor: Anchor(number.to_string()),
        dn: Some(dn),
        object_type: "user".to_owned(),
        attributes,
        references: BTreeMap::new(),
    }
}

/// The values of the oracle as those of a directory: empty text is no value.
pub(crate) fn plain(value: &oracle::Value) -> Values {
    match value {
        oracle::Value::Null | oracle::Value::IgnoreThisFlow | oracle::Value::AuthoritativeNull => Vec::new(),
        oracle::Value::Bool(truth) => vec![Value::Boolean(*truth)],
        oracle::Value::Int(number) => vec![Value::Integer(*number)],
        oracle::Value::Text(text) if text.is_empty() => Vec::new(),
        oracle::Value::Text(text) => vec![Value::Text(text.clone())],
        oracle::Value::Bytes(bytes) => vec![Value::Bytes(bytes.clone())],
        oracle::Value::Time(time) => vec![Value::Text(time.to_string())],
        oracle::Value::List(values) => values.iter().flat_map(plain).collect(),
    }
}

/// Everything that the one rule says about each object: the value of `answer`, or why the object fails.
pub(crate) fn answers(
    conversion: &Conversion,
    objects: &[ImportedObject],
    parameters: &BTreeMap<String, String>,
) -> Vec<Result<Values, String>> {
    let files = conversion
        .rules
        .iter()
        .map(|rule| SourceText { path: format!("{}.rhai", rule.file).into(), text: rule.text.clone() });
    let settings: BTreeMap<String, String> = conversion
        .settings
        .iter()
        .filter_map(|(name, _)| {
            let ours = |known: &str| known.to_lowercase().replace(|letter: char| !letter.is_alphanumeric(), "_");
            let known = parameters.iter().find(|(known, _)| name.ends_with(&ours(known)));
            known.map(|(_, value)| (name.clone(), value.clone()))
        })
        .collect();
    let compiled = RuleSet::compile(files.collect(), settings);
    let (rules, _) = compiled.unwrap_or_else(|problems| {
        let problems: Vec<String> = problems.iter().map(|problem| problem.render(false)).collect();
        panic!("{}\n{}", problems.join("\n"), conversion.rules[0].text)
    });
    let names = rules.reads("ad", "user").into_iter().chain([AttributeName::from("cn")]);
    let lists: BTreeSet<AttributeName> =
        LISTS.iter().copied().chain(["description", "postOfficeBox", "otherPhone"]).map(AttributeName::from).collect();
    let source = Source {
        imported: [("user".to_owned(), Arc::new(names.collect()))].into(),
        lists: [("user".to_owned(), Arc::new(lists))].into(),
        netbios: [("contoso.com".to_owned(), "CONTOSO".to_owned())].into(),
        ..Source::default()
    };
    let (sources, targets) = ([("ad".to_owned(), source)].into(), Targets::new());
    let orders = [("ad".to_owned(), 0)].into();
    let mut store = Store::in_memory();
    store.set_indexes(Indexes { metaverse: rules.join_attributes(), ..Indexes::default() }).unwrap();
    let mut draft = store.draft();
    let ids: Vec<_> =
        objects.iter().map(|object| stage::stage(&mut draft, "ad", object, &BTreeSet::new()).unwrap().0).collect();
    let mut synchronisation = Synchronisation::new(&rules, &sources, &targets, &orders, 1);
    while synchronisation.step(&mut draft, 1_000).unwrap().is_some() {}
    let answer = AttributeName::from("answer");
    ids.into_iter()
        .map(|id| {
            let object = draft.object(id).unwrap().unwrap();
            if let Some(error) = object.error {
                return Err(error.message);
            }
            let person = draft.metaverse(object.link.unwrap().metaverse).unwrap().unwrap();
            Ok(person
                .contributions
                .get(&answer)
                .map(|contributions| precedence::values(contributions))
                .unwrap_or_default())
        })
        .collect()
}
