//! The same company in a Samba domain controller: read by the connector on one side, by `ldapsearch` on the other.
//!
//! `SYNCLINE_POPULATION=10000` is how many people there are; 300 without.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use syncline::connector::ldap::{Flavour, Ldap};
use syncline::connector::{ImportEnd, ImportRequest, ImportedObject};
use syncline::entra_connect::read;
use syncline::sync::Source;
use syncline::value::{Kind, Schema};

use super::company::{Person, dressed, generated, is_list, people_of};
use super::comparison::compare;
use super::world::{KINDS, World};
use crate::corpus::shared;
use crate::oracle::Value;
use crate::random::Dice;
use crate::server::{Server, import};

const BASE: &str = "DC=contoso,DC=test";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_in_a_domain_controller_get_what_the_original_rules_give_them() {
    let Some(path) = shared("contoso") else { return };
    let people: usize = env::var("SYNCLINE_POPULATION").ok().map_or(300, |number| number.parse().unwrap());
    let begun = Instant::now();
    let server = served(people, (people / 50).max(20));
    let loaded = begun.elapsed();

    let export = read(&path).unwrap();
    let mut world = World::of(&export);
    let directory = server.source(Flavour::ActiveDirectory, "");
    let schemas = directory.schema().await.unwrap();
    let request = request(&world, &schemas);
    let mut imported = objects(&directory, &request).await;
    let company = searched(&server);
    assert!(company.len() > people);
    let in_order: Vec<ImportedObject> = company
        .iter()
        .map(|person| imported.remove(&person.dn).unwrap_or_else(|| panic!("{} was not imported", person.dn)))
        .collect();
    assert!(imported.is_empty(), "who is this? {:?}", imported.keys());

    let source = source(&world, &schemas);
    let (draft, ids) = world.synchronise(source, in_order.into_iter());
    let counts = compare(&export, &draft, &company, &ids, true);
    eprintln!("{counts:?}, 0 differences; loaded in {loaded:?}, all in {:?}", begun.elapsed());
    assert!(counts.provisioned > people / 2 && counts.references > people, "the company says something: {counts:?}");
}

/// A server with the company in it.
fn served(people: usize, groups: usize) -> Server {
    let text = generated(people, groups, &["--no-guid"]);
    let mut dice = Dice(4_711);
    let mut company = people_of(&text);
    let mut renamed = BTreeMap::new();
    for person in &mut company {
        let name = person.dn.clone();
        dressed(person, &mut dice);
        storable(person);
        renamed.insert(name, person.dn.clone());
    }
    let units = text.split("\n\n").filter(|entry| entry.contains("objectClass: organizationalUnit"));
    let mut ldif: String = units.map(|unit| format!("{}\n\n", unit.trim())).collect();
    company.iter().for_each(|person| write(&mut ldif, person, &renamed));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("company.ldif");
    fs::write(&file, ldif).unwrap();
    let script = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers").join(name);
    let files = [script("exchange-attributes.ldif"), script("exchange-classes.ldif"), file];
    let files = files.map(|file| file.to_str().unwrap().to_owned()).join(" ");
    Server::start("samba-ad", 70, &[], &[("SAMBA_LOAD", &files)])
}

/// Leaves out what a domain controller refuses, or keeps for itself.
fn storable(person: &mut Person) {
    for name in ["objectSid", "isCriticalSystemObject", "cn"] {
        person.attributes.remove(name);
    }
    if person.attributes.get("pwdLastSet").is_some_and(|time| *time != Value::Int(0)) {
        person.attributes.remove("pwdLastSet");
    }
    if let Some(Value::Text(name)) = person.attributes.get_mut("sAMAccountName")
        && ["AAD_", "CAS_", "aad_"].iter().any(|start| name.starts_with(start))
    {
        name.push_str(&person.number.to_string());
    }
    // One that has blanks alone is the same as none to it, and two that differ in blanks are one.
    let one = |person: &mut Person, name: &str| {
        if let Some(Value::List(values)) = person.attributes.get_mut(name) {
            values.truncate(1);
        }
    };
    one(person, "otherTelephone");
    if person.kind != "contact" {
        one(person, "description");
    }
    let refused: &[&str] = match person.kind.as_str() {
        "group" => &["company", "co", "st", "postOfficeBox", "otherTelephone", "userPrincipalName", "url"],
        "contact" => &["sAMAccountName", "userPrincipalName"],
        _ => &[],
    };
    person.attributes.retain(|name, _| !refused.contains(&name.as_str()));
}

fn write(ldif: &mut String, person: &Person, renamed: &BTreeMap<String, String>) {
    let mut line = |name: &str, bytes: &[u8]| ldif.push_str(&format!("{name}:: {}\n", STANDARD.encode(bytes)));
    line("dn", person.dn.as_bytes());
    line("objectClass", person.kind.as_bytes());
    let mut value = |name: &str, value: &Value| match value {
        Value::Text(text) => line(name, text.as_bytes()),
        Value::Int(number) => line(name, number.to_string().as_bytes()),
        Value::Bool(truth) => line(name, if *truth { b"TRUE" } else { b"FALSE" }),
        Value::Bytes(bytes) => line(name, bytes),
        other => panic!("{name} is {other:?}"),
    };
    for (name, values) in &person.attributes {
        match values {
            Value::List(values) => values.iter().for_each(|one| value(name, one)),
            one => value(name, one),
        }
    }
    for (name, to) in &person.references {
        to.iter().for_each(|to| line(name, renamed.get(to).unwrap_or(to).as_bytes()));
    }
    ldif.push('\n');
}

/// What rules read and the server knows.
fn request(world: &World, schemas: &BTreeMap<String, Schema>) -> ImportRequest {
    let types = KINDS.map(|kind| {
        let mut names = world.rules.reads("ad", kind);
        names.retain(|name| schemas[kind].get(name).is_some());
        for name in &names {
            let schema = schemas[kind].get(name).unwrap();
            let is_known = schema.kind == Kind::Reference || schema.multi == is_list(name.as_str());
            assert!(is_known, "{name}: the evaluator must know which are lists");
        }
        (kind.to_owned(), names)
    });
    ImportRequest { types: types.into() }
}

/// What is known of the directory, as a session has it. But what its schema lacks counts as read: the forest that the rules
/// are from has Exchange and Lync.
fn source(world: &World, schemas: &BTreeMap<String, Schema>) -> Source {
    let mut source = Source::default();
    source.netbios.insert("contoso.test".to_owned(), "CONTOSO".to_owned());
    for kind in KINDS.map(str::to_owned) {
        let known = || schemas[&kind].attributes.iter();
        let references = known().filter(|(_, schema)| schema.kind == Kind::Reference);
        let lists = known().filter(|(_, schema)| schema.multi && schema.kind != Kind::Reference);
        source.references.insert(kind.clone(), references.map(|(name, _)| name.clone()).collect());
        source.lists.insert(kind.clone(), Arc::new(lists.map(|(name, _)| name.clone()).collect()));
        source.imported.insert(kind.clone(), Arc::new(world.rules.reads("ad", &kind)));
    }
    source
}

/// By name, what the connector reads.
async fn objects(directory: &Ldap, request: &ImportRequest) -> BTreeMap<String, ImportedObject> {
    let imported = import(directory, request).await;
    assert_eq!(imported.end, Ok(ImportEnd::Complete));
    assert_eq!(imported.unreadable, Vec::<String>::new());
    let named = imported.objects.into_iter().map(|object| (object.dn.clone().unwrap(), object));
    named.collect()
}

/// What `ldapsearch` reads.
fn searched(server: &Server) -> Vec<Person> {
    let output = Command::new("ldapsearch")
        .args(["-x", "-LLL", "-o", "ldif-wrap=no", "-E", "pr=500/noprompt", "-b", BASE])
        .args(["-H", server.fact("LDAPS_URL"), "-D", server.fact("BIND_DN"), "-w", server.fact("BIND_PASSWORD")])
        .arg("(|(objectClass=user)(objectClass=group)(objectClass=contact))")
        .env("LDAPTLS_CACERT", server.fact("CA_FILE"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // What it says after each page stands right above the next entry.
    let text = String::from_utf8(output.stdout).unwrap();
    people_of(&text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect::<String>())
}
