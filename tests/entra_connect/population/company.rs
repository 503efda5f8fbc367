//! A company: people, groups and contacts as the generator of directories makes them, with what Exchange and administrators
//! do to them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;

use crate::oracle::Value;
use crate::random::Dice;

pub(crate) const LISTS: [&str; 15] = [
    "description",
    "member",
    "otherFacsimileTelephoneNumber",
    "otherHomePhone",
    "otherIpPhone",
    "otherMobile",
    "otherPager",
    "otherTelephone",
    "photo",
    "postOfficeBox",
    "postalAddress",
    "proxyAddresses",
    "url",
    "userCertificate",
    "userSMIMECertificate",
];
pub(crate) const NUMBERS: [&str; 9] = [
    "userAccountControl",
    "groupType",
    "msExchRecipientTypeDetails",
    "countryCode",
    "pwdLastSet",
    "memberCount",
    "accountExpires",
    "primaryGroupID",
    "sAMAccountType",
];
pub(crate) const BOOLEANS: [&str; 8] = [
    "isCriticalSystemObject",
    "msExchHideFromAddressLists",
    "accountEnabled",
    "cloudFiltered",
    "cloudMastered",
    "securityEnabled",
    "mailEnabled",
    "cloudCreated",
];
pub(crate) const BYTES: [&str; 7] = [
    "objectGUID",
    "objectSid",
    "thumbnailPhoto",
    "userCertificate",
    "mS-DS-ConsistencyGuid",
    "photo",
    "userSMIMECertificate",
];
pub(crate) const REFERENCES: [&str; 4] = ["manager", "member", "managedBy", "assistant"];

pub(crate) fn among(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

pub(crate) fn is_list(name: &str) -> bool {
    among(&LISTS, name)
}

pub(crate) fn is_boolean(name: &str) -> bool {
    among(&BOOLEANS, name)
}

/// One object of the company.
pub(crate) struct Person {
    pub(crate) number: usize,
    pub(crate) dn: String,
    pub(crate) kind: String,
    pub(crate) attributes: BTreeMap<String, Value>,
    pub(crate) references: BTreeMap<String, Vec<String>>,
}

/// The company that the generator makes for servers, with what Exchange adds to a schema.
pub(crate) fn company(people: usize, groups: usize) -> Vec<Person> {
    let mut dice = Dice(4_711);
    let mut company = people_of(&generated(people, groups, &[]));
    company.iter_mut().for_each(|person| dressed(person, &mut dice));
    company
}

/// What the generator writes; every value on one line.
pub(crate) fn generated(people: usize, groups: usize, more: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/gen-directory");
    let (people, groups) = (people.to_string(), groups.to_string());
    let output = Command::new("python3")
        .arg(script)
        .args(["--flavour", "ad", "--users", &people, "--groups", &groups])
        .args(more)
        .output()
        .expect("python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().replace("\n ", "")
}

/// The people, groups and contacts in a text.
pub(crate) fn people_of(text: &str) -> Vec<Person> {
    let entries = text.split("\n\n").map(str::trim).filter(|entry| entry.starts_with("dn:"));
    entries.enumerate().filter_map(|(number, entry)| parsed(number, entry)).collect()
}

pub(crate) fn parsed(number: usize, entry: &str) -> Option<Person> {
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
                } else if is_boolean(name) {
                    Value::Bool(text() == "TRUE")
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
pub(crate) fn dressed(person: &mut Person, dice: &mut Dice) {
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
    if dice.below(8) == 0 {
        set(person, "mS-DS-ConsistencyGuid", Value::Bytes((0..16).map(|_| dice.below(256) as u8).collect()));
    }
    if kind == "group" && dice.below(3) == 0 {
        set(person, "mail", text(&format!("group{number}@contoso.test")));
    }
}
