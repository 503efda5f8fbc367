//! The topologies of the examples, run as they lie there: who is one person, who is nobody, and which tenant has whom.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

/// A copy of an example, with the rules that ship where it looks for them.
struct Example {
    root: tempfile::TempDir,
    folder: PathBuf,
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_name() == "state" {
            continue;
        }
        if source.is_dir() {
            copy(&source, &target);
        } else {
            fs::copy(source, target).unwrap();
        }
    }
}

impl Example {
    fn new(name: &str) -> Example {
        let root = tempfile::tempdir().unwrap();
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = root.path().join(name);
        copy(&project.join("rules"), &root.path().join("rules"));
        copy(&project.join(name), &folder);
        let example = Example { root, folder };
        assert!(example.root.path().exists());
        example
    }

    fn syncline(&self, arguments: &[&str]) -> (String, i32) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_syncline"));
        let output = command.args(arguments).current_dir(&self.folder).env_clear().output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), output.status.code().unwrap())
    }

    fn json(&self, arguments: &[&str]) -> Json {
        let arguments = [arguments, &["--format", "json"]].concat();
        let (text, _) = self.syncline(&arguments);
        serde_json::from_str(&text).unwrap()
    }

    /// Runs twice: the first run has so many objects in error, the second writes nothing.
    fn settle(&self, errors: u64) -> Json {
        let first = self.json(&["run"]);
        assert_eq!(first["errors"], errors, "{first}");
        assert_eq!(first["confirmed"][0], first["confirmed"][1], "{first}");
        let second = self.json(&["run"]);
        for export in second["exports"].as_array().unwrap() {
            for what in ["created", "updated", "deleted", "added", "removed"] {
                assert_eq!(export[what], 0, "{second}");
            }
        }
        first
    }

    fn attribute(&self, connector: &str, object: &str, name: &str) -> Json {
        self.json(&["show", connector, object])["attributes"][name].clone()
    }

    /// How many objects of a type there are, and how many of these are linked.
    fn count(&self, connector: &str, object_type: &str) -> (u64, u64) {
        let shown = self.json(&["show"]);
        let of_type = |row: &&Json| row["connector"] == connector && row["type"] == object_type;
        let row = shown["rows"].as_array().unwrap().iter().find(of_type).unwrap();
        (row["objects"].as_u64().unwrap(), row["linked"].as_u64().unwrap())
    }
}

#[test]
fn one_forest() {
    let example = Example::new("examples/contoso");
    // Its README says which three.
    example.settle(3);
    assert_eq!((example.count("entra", "user").0, example.count("entra", "group").0), (201, 29));
}

#[test]
fn two_forests_with_different_people() {
    let example = Example::new("examples/topologies/two-forests");
    example.settle(0);
    assert_eq!((example.count("entra", "user"), example.count("entra", "group")), ((4, 4), (2, 2)));
    // The same account name in both forests, and two people.
    assert_eq!(example.attribute("entra", "Jonas Weber", "userPrincipalName"), "jonas@contoso.com");
    assert_eq!(example.attribute("entra", "Jonas Tan", "userPrincipalName"), "jonas.tan@contoso.com");
    let members = &example.json(&["show", "entra", "Sales APAC"])["references"][0];
    assert_eq!((&members["attribute"], &members["seen"]), (&"members".into(), &2.into()));
}

#[test]
fn rules_for_forests_that_stand_in_are_tested_under_their_own_name() {
    let example = Example::new("examples/topologies/two-forests");
    let (text, code) = example.syncline(&["test"]);
    assert_eq!(code, 0, "{text}");
}

#[test]
fn two_forests_matched_on_mail() {
    let example = Example::new("examples/topologies/matched-on-mail");
    example.settle(0);
    // Four accounts, three people.
    assert_eq!(example.count("entra", "user"), (3, 3));
    assert_eq!((example.count("emea", "user"), example.count("apac", "user")), ((2, 2), (2, 2)));
    let haruto = |name: &str| example.attribute("entra", "haruto@contoso.com", name);
    // The forest that comes first has the title, the one where he signs in the rest.
    assert_eq!((haruto("jobTitle"), haruto("department")), ("Visiting engineer".into(), "Engineering".into()));
    assert_eq!(haruto("accountEnabled"), true);
    // His account is switched off: nothing is left to sign in with. He is disabled, and deleted after a month.
    let ldif = fs::read_to_string(example.folder.join("apac.ldif")).unwrap();
    fs::write(example.folder.join("apac.ldif"), ldif.replacen("userAccountControl: 512", "userAccountControl: 514", 1))
        .unwrap();
    example.settle(0);
    let (shown, _) = example.syncline(&["show", "entra", "haruto@contoso.com"]);
    assert!(shown.contains("accountEnabled                   false"), "{shown}");
    assert!(shown.contains("is deleted after 30 days: off since"), "{shown}");
}

#[test]
fn account_and_resource_forests() {
    let example = Example::new("examples/topologies/account-resource");
    example.settle(0);
    assert_eq!(example.attribute("entra", "mila@contoso.com", "mail"), "mila@contoso.com");
    let extension = "onPremisesExtensionAttributes.extensionAttribute1";
    assert_eq!(example.attribute("entra", "mila@contoso.com", extension), "Gold");
    // One member is a mailbox, the other stands for somebody of the other forest.
    let members = &example.json(&["show", "entra", "Project X"])["references"][0];
    assert_eq!((&members["attribute"], &members["seen"]), (&"members".into(), &2.into()));
}

#[test]
fn line_17_a_linked_mailbox_alone_is_nobody() {
    let example = Example::new("examples/topologies/account-resource");
    example.settle(0);
    assert_eq!(example.count("resources", "user"), (2, 1));
    assert_eq!(example.count("entra", "user"), (2, 2));
}

#[test]
fn one_forest_and_two_tenants() {
    let example = Example::new("examples/topologies/two-tenants");
    example.settle(0);
    assert_eq!((example.count("contoso", "user"), example.count("research", "user")), ((2, 2), (1, 1)));
    // The tenant does not own the domain of the forest.
    let name = example.attribute("research", "Jonas Weber", "userPrincipalName");
    assert_eq!(name, "jonas@contosoresearch.onmicrosoft.com");
    // The anchor is the same in both, and the group has in each tenant who is there.
    let anchor = |tenant| example.attribute(tenant, "Jonas Weber", "onPremisesImmutableId");
    assert_eq!(anchor("contoso"), anchor("research"));
    let members = |tenant| example.json(&["show", tenant, "Everybody"])["references"][0]["seen"].clone();
    assert_eq!((members("contoso"), members("research")), (2.into(), 1.into()));
    // He leaves research: only that tenant lets him go.
    let ldif = fs::read_to_string(example.folder.join("directory.ldif")).unwrap();
    fs::write(example.folder.join("directory.ldif"), ldif.replace("department: Research", "department: Sales"))
        .unwrap();
    let run = example.json(&["run"]);
    let deleted = |tenant: &str| {
        let exports = run["exports"].as_array().unwrap();
        exports.iter().find(|export| export["connector"] == tenant).map(|export| export["deleted"].clone())
    };
    assert_eq!((deleted("contoso"), deleted("research")), (Some(0.into()), Some(1.into())));
}
