//! A whole company through the converted rules of a real configuration: every attribute of every object, in the metaverse
//! and on its way to the tenant, beside what the original expressions give.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use base64::Engine as _;
use syncline::connector::{Anchor, ImportedObject, Target as Refers, graph};
use syncline::diagnostic::SourceText;
use syncline::entra_connect::{ConnectorKind, Direction, Export, FlowSource, Link, Rule, State, convert, read};
use syncline::rules::{Context, RuleSet};
use syncline::store::{Draft, Indexes, Store};
use syncline::sync::ledger::View;
use syncline::sync::{Matching, Source, Synchronisation, Target, precedence, stage};
use syncline::value::{AttributeName, Attributes, Values};

use crate::corpus::shared;
use crate::engine::plain;
use crate::oracle::{self, Expr, Object, Value};
use crate::random::{Dice, once};

const PEOPLE: usize = 10_000;
const GROUPS: usize = 200;

const LISTS: [&str; 9] = [
    "proxyAddresses",
    "description",
    "url",
    "postOfficeBox",
    "otherTelephone",
    "otherHomePhone",
    "otherMobile",
    "userCertificate",
    "member",
];
const NUMBERS: [&str; 6] =
    ["userAccountControl", "groupType", "msExchRecipientTypeDetails", "countryCode", "pwdLastSet", "memberCount"];
const BOOLEANS: [&str; 8] = [
    "isCriticalSystemObject",
    "msExchHideFromAddressLists",
    "accountEnabled",
    "cloudFiltered",
    "cloudMastered",
    "securityEnabled",
    "mailEnabled",
    "cloudCreated",
];
const BYTES: [&str; 4] = ["objectGUID", "objectSid", "thumbnailPhoto", "userCertificate"];
const REFERENCES: [&str; 4] = ["manager", "member", "managedBy", "assistant"];

fn among(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn is_list(name: &str) -> bool {
    among(&LISTS, name)
}

fn is_boolean(name: &str) -> bool {
    among(&BOOLEANS, name)
}

/// One object of the company.
struct Person {
    number: usize,
    dn: String,
    kind: String,
    attributes: BTreeMap<String, Value>,
    references: BTreeMap<String, Vec<String>>,
}

/// The company that the generator makes for servers, with what Exchange adds to a schema.
fn company(people: usize) -> Vec<Person> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/gen-directory");
    let (people, groups) = (people.to_string(), GROUPS.to_string());
    let output = Command::new("python3")
        .arg(script)
        .args(["--flavour", "ad", "--users", &people, "--groups", &groups])
        .output()
        .expect("python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap().replace("\n ", "");
    let mut dice = Dice(4_711);
    let entries = text.split("\n\n").map(str::trim).filter(|entry| entry.starts_with("dn:"));
    let mut company: Vec<Person> = entries.enumerate().filter_map(|(number, entry)| parsed(number, entry)).collect();
    company.iter_mut().for_each(|person| dressed(person, &mut dice));
    company
}

fn parsed(number: usize, entry: &str) -> Option<Person> {
    let mut person = Person {
        number,
        dn: String::new(),
        kind: String::new(),
        attributes: BTreeMap::new(),
        references: BTreeMap::new(),
    };
    for line in entry.lines() {
        let (name, rest) = line.split_once(':')?;
        let bytes = match rest.strip_prefix(':') {
            Some(encoded) => base64::engine::general_purpose::STANDARD.decode(encoded.trim()).unwrap(),
            None => rest.trim_start().as_bytes().to_vec(),
        };
        let text = || String::from_utf8(bytes.clone()).unwrap();
        match name {
            "dn" => person.dn = text(),
            "objectClass" => person.kind = text(),
            name if among(&REFERENCES, name) => person.references.entry(name.to_owned()).or_default().push(text()),
            name => {
                let value = if among(&BYTES, name) {
                    Value::Bytes(bytes.clone())
                } else if among(&NUMBERS, name) {
                    Value::Int(text().parse().unwrap())
                } else {
                    Value::Text(text())
                };
                match person.attributes.get_mut(name) {
                    Some(Value::List(values)) => values.push(value),
                    _ if is_list(name) => {
                        person.attributes.insert(name.to_owned(), Value::List(vec![value]));
                    }
                    _ => {
                        person.attributes.insert(name.to_owned(), value);
                    }
                }
            }
        }
    }
    ["user", "group", "contact"].contains(&person.kind.as_str()).then_some(person)
}

/// What Exchange and administrators do to an object. Every account has its flags: where they cannot be read, a scope that
/// asks for them fails here, and counts as enabled there.
fn dressed(person: &mut Person, dice: &mut Dice) {
    let text = |text: &str| Value::Text(text.to_owned());
    let long = "x".repeat(500);
    let (kind, number) = (person.kind.clone(), person.number);
    let set = |person: &mut Person, name: &str, value: Value| {
        person.attributes.insert(name.to_owned(), value);
    };
    if kind != "contact" {
        let mut sid = vec![1, 1, 0, 0, 0, 0, 0, 5];
        sid.extend(u32::try_from(number).unwrap().to_le_bytes());
        set(person, "objectSid", Value::Bytes(sid));
    }
    if dice.below(10) < 6 {
        set(person, "mailNickname", text(["ada", "CAS_{1}", "CAS_x", "SystemMailbox{7}", "Zoe.M"][dice.below(5)]));
        set(person, "msExchRecipientTypeDetails", Value::Int([1, 2, 128, 4_096, 0x4000_0000, 1, 1][dice.below(7)]));
        set(person, "msExchHideFromAddressLists", Value::Bool(dice.below(3) == 0));
        set(person, "extensionAttribute1", text([" padded ", "x", "   "][dice.below(3)]));
        set(person, "legacyExchangeDN", text("/o=Contoso/cn=x"));
    }
    for (name, values) in [
        ("description", vec![text(" one "), text("two")]),
        ("url", vec![text(&long)]),
        ("postOfficeBox", vec![text("  ")]),
        ("otherTelephone", vec![text(" 1 "), text("1"), text("2")]),
    ] {
        if dice.below(4) == 0 {
            set(person, name, Value::List(values));
        }
    }
    for (name, value) in [
        ("info", long.as_str()),
        ("company", " Contoso"),
        ("co", "Germany"),
        ("st", " "),
        ("adminDescription", "User_x"),
    ] {
        if dice.below(12) == 0 {
            set(person, name, text(value));
        }
    }
    match dice.below(40) {
        0 => set(person, "isCriticalSystemObject", Value::Bool(true)),
        1 => set(person, "isCriticalSystemObject", Value::Bool(false)),
        2 => set(person, "sAMAccountName", text("AAD_service")),
        3 => set(person, "sAMAccountName", text("CAS_{9}")),
        4 => set(person, "sAMAccountName", text("aad_lower")),
        5 => drop(person.attributes.remove("sAMAccountName")),
        6 | 7 => drop(person.attributes.remove("displayName")),
        8 | 9 => drop(person.attributes.remove("userPrincipalName")),
        10 => person.dn = format!("CN=Twin {number}\\0ACNF:1f,OU=People,DC=contoso,DC=test"),
        11 => set(person, "displayName", text("x (MSOL) y")),
        12 => {
            // Nothing to make a user name of: such an account is an error.
            person.attributes.remove("sAMAccountName");
            person.attributes.remove("userPrincipalName");
        }
        _ => {}
    }
    if kind == "user" && dice.below(2) == 0 {
        set(person, "pwdLastSet", Value::Int([0, 130_543_784_930_000_000, i64::MAX][dice.below(3)]));
    }
    if kind == "group" && dice.below(2) == 0 {
        set(person, "groupType", Value::Int([2, -2_147_483_646, 8, -2_147_483_640][dice.below(4)]));
    }
    if kind == "group" && dice.below(3) == 0 {
        set(person, "mail", text(&format!("group{number}@contoso.test")));
    }
}

fn imported(person: &Person) -> ImportedObject {
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

fn parameters(connector: &str) -> BTreeMap<String, String> {
    [
        ("Domain.FQDN", "contoso.test"),
        ("Domain.Netbios", "CONTOSO"),
        ("Forest.FQDN", "contoso.test"),
        ("Forest.Netbios", "CONTOSO"),
        ("Connector.ID", connector),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// What the original rules of one direction say about an object, by attribute: the first value by precedence.
struct Originals {
    rules: Vec<(Rule, Vec<Option<Expr>>)>,
}

impl Originals {
    fn of(export: &Export, direction: Direction, kind: &ConnectorKind) -> Originals {
        let connector = export.connectors.iter().find(|connector| connector.kind == *kind).unwrap();
        let mut rules: Vec<&Rule> =
            export.rules.iter().filter(|rule| rule.direction == direction && rule.connector == connector.id).collect();
        rules.sort_by_key(|rule| rule.precedence);
        let parsed = |rule: &&Rule| {
            let exprs = rule.flows.iter().map(|flow| match &flow.from {
                FlowSource::Expression(text) => Some(oracle::parse(text).unwrap()),
                FlowSource::Direct(_) | FlowSource::Constant(_) => None,
            });
            ((*rule).clone(), exprs.collect())
        };
        Originals { rules: rules.iter().map(parsed).collect() }
    }

    fn say(&self, object: &Object, kinds: (&str, &str)) -> Result<(bool, BTreeMap<String, Value>), String> {
        let (mut linked, mut values) = (false, BTreeMap::new());
        for (rule, exprs) in &self.rules {
            if (rule.directory_type.as_str(), rule.metaverse_type.as_str()) != kinds {
                continue;
            }
            let groups: Vec<Vec<(String, String, String)>> = rule
                .scope
                .iter()
                .map(|group| {
                    group
                        .iter()
                        .map(|clause| (clause.attribute.clone(), clause.operator.clone(), clause.value.clone()))
                        .collect()
                })
                .collect();
            if !groups.is_empty() && !oracle::in_scope(&groups, object)? {
                continue;
            }
            linked |= rule.link == Link::Provision;
            for (flow, expr) in rule.flows.iter().zip(exprs) {
                let value = match (&flow.from, expr) {
                    (_, Some(expr)) => oracle::evaluate(expr, object)?,
                    (FlowSource::Direct(name), None) => object.attribute(name),
                    (FlowSource::Constant(text), None) => match text.to_lowercase().as_str() {
                        "true" => Value::Bool(true),
                        "false" => Value::Bool(false),
                        _ => Value::Text(text.clone()),
                    },
                    (FlowSource::Expression(_), None) => Value::Null,
                };
                if !plain(&value).is_empty() && !values.contains_key(&flow.to) {
                    values.insert(flow.to.clone(), value);
                }
            }
        }
        Ok((linked, values))
    }
}

/// What Graph calls attributes of the tenant's connector.
const IN_GRAPH: [(&str, &str); 22] = [
    ("accountEnabled", "accountEnabled"),
    ("city", "city"),
    ("company", "companyName"),
    ("country", "country"),
    ("department", "department"),
    ("displayName", "displayName"),
    ("facsimileTelephoneNumber", "faxNumber"),
    ("givenName", "givenName"),
    ("mail", "mail"),
    ("mobile", "mobilePhone"),
    ("physicalDeliveryOfficeName", "officeLocation"),
    ("postalCode", "postalCode"),
    ("preferredLanguage", "preferredLanguage"),
    ("sourceAnchor", "onPremisesImmutableId"),
    ("state", "state"),
    ("streetAddress", "streetAddress"),
    ("surname", "surname"),
    ("telephoneNumber", "businessPhones"),
    ("title", "jobTitle"),
    ("usageLocation", "usageLocation"),
    ("extensionAttribute1", "onPremisesExtensionAttributes.extensionAttribute1"),
    ("userPrincipalName", "userPrincipalName"),
];

struct World {
    store: Store,
    rules: RuleSet,
}

impl World {
    /// The rules that ship in the place of Entra Connect's.
    fn shipped() -> World {
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

    fn of(export: &Export) -> World {
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

    fn synchronise<'a>(&'a mut self, company: &[Person]) -> (Draft<'a>, Vec<syncline::connector_space::ObjectId>) {
        let names = |names: &[&str]| names.iter().map(|name| AttributeName::from(*name)).collect::<BTreeSet<_>>();
        let mut source = Source::default();
        source.netbios.insert("contoso.test".to_owned(), "CONTOSO".to_owned());
        for kind in ["user", "group", "contact", "inetOrgPerson"] {
            source.imported.insert(kind.to_owned(), Arc::new(self.rules.reads("ad", kind)));
            source.lists.insert(kind.to_owned(), Arc::new(names(&LISTS)));
            source.references.insert(kind.to_owned(), names(&REFERENCES));
        }
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
        let sources = [("ad".to_owned(), source), ("entra".to_owned(), entra)].into();
        let targets = [("entra".to_owned(), target)].into();
        let orders = [("ad".to_owned(), 0), ("entra".to_owned(), 1)].into();
        let objects = [("entra".to_owned(), self.rules.match_attributes("entra"))].into();
        let indexes = Indexes { metaverse: self.rules.join_attributes(), objects, ..Indexes::default() };
        self.store.set_indexes(indexes).unwrap();
        let mut draft = self.store.draft();
        let references = names(&REFERENCES);
        let ids =
            company.iter().map(|person| stage::stage(&mut draft, "ad", &imported(person), &references).unwrap().0);
        let ids = ids.collect();
        let mut synchronisation = Synchronisation::new(&self.rules, &sources, &targets, &orders, 2);
        while synchronisation.step(&mut draft, 2_000).unwrap().is_some() {}
        (draft, ids)
    }
}

fn object(attributes: BTreeMap<String, Value>, members: usize, connector: &str) -> Object {
    Object {
        imported: attributes.clone(),
        attributes,
        parameters: parameters(connector),
        counts: [("member".to_owned(), i64::try_from(members).unwrap())].into(),
        multi: is_list,
        booleans: is_boolean,
    }
}

/// Values as two sides compare them: in any order, each once.
fn sorted(values: Values) -> Vec<String> {
    let mut texts: Vec<String> = once(values).iter().map(ToString::to_string).collect();
    texts.sort();
    texts
}

#[test]
fn ten_thousand_people_get_what_the_original_rules_give_them() {
    let Some(path) = shared("contoso") else { return };
    let export = read(&path).unwrap();
    let company = company(PEOPLE);
    assert!(company.len() > PEOPLE);
    let compared = compare(&export, World::of(&export), &company, true);
    assert!(compared > PEOPLE * 30, "the company says something");
}

#[test]
fn the_rules_that_ship_in_their_place_send_out_the_same() {
    let Some(path) = shared("contoso") else { return };
    let export = read(&path).unwrap();
    let company = company(PEOPLE / 5);
    let compared = compare(&export, World::shipped(), &company, false);
    assert!(compared > PEOPLE, "the company says something");
}

/// Compares every object, in the metaverse if asked, and on its way to the tenant. Gives how many values were compared.
fn compare(export: &Export, mut world: World, company: &[Person], whole: bool) -> usize {
    let (draft, ids) = world.synchronise(company);
    let inbound = Originals::of(export, Direction::Inbound, &ConnectorKind::ActiveDirectory);
    let outbound = Originals::of(export, Direction::Outbound, &ConnectorKind::Entra);
    let (mut compared, mut failed, mut provisioned, mut wrong) = (0_usize, 0, 0, Vec::new());
    for (person, id) in company.iter().zip(ids) {
        let ours = draft.object(id).unwrap().unwrap();
        let mut attributes = person.attributes.clone();
        attributes.insert("dn".to_owned(), Value::Text(person.dn.clone()));
        let members = person.references.get("member").map_or(0, Vec::len);
        let metaverse_type = if person.kind == "group" { "group" } else { "person" };
        let theirs = inbound.say(&object(attributes, members, "ad"), (&person.kind, metaverse_type));
        let (is_linked, theirs) = match (theirs, &ours.error) {
            (Err(_), Some(_)) => {
                failed += 1;
                continue;
            }
            (Ok(theirs), None) => theirs,
            (theirs, error) => {
                wrong.push(format!("{}: {error:?}, and not {theirs:?}", person.dn));
                continue;
            }
        };
        let Some(link) = ours.link.as_ref() else {
            if is_linked {
                wrong.push(format!("{}: is nobody", person.dn));
            }
            continue;
        };
        let metaverse = draft.metaverse(link.metaverse).unwrap().unwrap();
        let names: BTreeSet<String> = metaverse
            .contributions
            .keys()
            .map(ToString::to_string)
            .chain(theirs.keys().cloned())
            .filter(|name| whole && !among(&REFERENCES, name))
            .collect();
        for name in names {
            let key = AttributeName::from(name.as_str());
            let ours = metaverse.contributions.get(&key).map(|all| precedence::values(all)).unwrap_or_default();
            let theirs = theirs.get(&name).map(plain).unwrap_or_default();
            compared += 1;
            if sorted(ours.clone()) != sorted(theirs.clone()) {
                wrong.push(format!("{}: {name} is {ours:?}, and not {theirs:?}", person.dn));
            }
        }
        // On its way to the tenant.
        let out = object(theirs, members, "entra");
        let kinds = if metaverse_type == "group" { ("group", "group") } else { ("user", "person") };
        let theirs = outbound.say(&out, kinds);
        let target = metaverse.links.iter().find(|(_, connector)| connector == "entra");
        let target = target.map(|(id, _)| draft.object(*id).unwrap().unwrap());
        let (is_made, theirs) = match (theirs, &metaverse.error) {
            (Ok(theirs), None) => theirs,
            (Err(_), Some(_)) => continue,
            (theirs, error) => {
                wrong.push(format!("{}: outbound {error:?}, and not {theirs:?}", person.dn));
                continue;
            }
        };
        let secure = theirs.get("securityEnabled") == Some(&Value::Bool(true));
        let is_made = is_made && (metaverse_type != "group" || secure);
        if is_made != target.is_some() {
            wrong.push(format!("{}: made {}, and not {is_made}", person.dn, target.is_some()));
            continue;
        }
        let Some(target) = target else { continue };
        provisioned += 1;
        let expected = target.expected();
        for (there, here) in IN_GRAPH {
            if metaverse_type == "group" && !["displayName"].contains(&there) {
                continue;
            }
            let ours = expected.get(&AttributeName::from(here)).cloned().unwrap_or_default();
            let theirs = theirs.get(there).map(plain).unwrap_or_default();
            let plain_name = |values: &Values| {
                values.iter().all(|value| value.to_string().bytes().all(|byte| byte.is_ascii_graphic()))
            };
            if there == "userPrincipalName" && !plain_name(&theirs) {
                continue;
            }
            compared += 1;
            if sorted(ours.clone()) != sorted(theirs.clone()) {
                wrong.push(format!("{}: {here} goes out as {ours:?}, and not {theirs:?}", person.dn));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {compared} values differ:\n{}",
        wrong.len(),
        wrong.iter().take(30).cloned().collect::<Vec<_>>().join("\n")
    );
    assert!(failed > 5 && provisioned > company.len() / 3, "the company says something");
    compared
}
