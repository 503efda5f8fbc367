//! A real export of Entra Connect, and the same rules as PowerShell: everything converts, and both give the same files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use syncline::entra_connect::{Likeness, convert, read, report};

use crate::corpus::shared;

/// Runs the program in a folder; gives what it says and its exit code.
fn run(folder: &Path, arguments: &[&str]) -> (String, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_syncline")).args(arguments).current_dir(folder).output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (said.concat(), output.status.code().unwrap())
}

/// The rules and their tests below a folder, by their paths.
fn rules(folder: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for place in ["rules", "rules/tests", "set-aside"] {
        for entry in fs::read_dir(folder.join(place)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = format!("{place}/{}", path.file_name().unwrap().to_string_lossy());
                files.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    files
}

#[test]
fn all_rules_of_a_real_export_convert_without_a_hand() {
    let Some(path) = shared("contoso") else { return };
    let export = read(&path).unwrap();
    let report = report(&export, &convert(&export, &BTreeMap::new()));
    let counts = report.counts;
    assert_eq!((counts.rules, counts.flows), (62, 1_200));
    assert_eq!((counts.by_hand, counts.warnings), (0, 0), "{:?}", report.remarks);
    assert_eq!(counts.copied + counts.trimmed + counts.simplified + counts.exact + counts.not_written, 1_200);
    assert!(counts.simplified > 4 * counts.exact, "{counts:?}");
    assert!(report.rules.iter().all(|rule| rule.stock == Likeness::Same));
}

/// What has no test, and cannot have one: bytes are no text, the scope of the rule asks for that very type, and two rules
/// have the same expression, whose error is told once.
#[test]
fn every_branch_of_a_real_export_that_can_be_met_has_a_test() {
    let Some(path) = shared("contoso") else { return };
    let export = read(&path).unwrap();
    let tests = syncline::entra_connect::tests(&export, &convert(&export, &BTreeMap::new()));
    let untested = tests.untested.iter().map(|branch| (branch.condition.as_str(), branch.holds));
    let count = |condition: &str, holds| untested.clone().filter(|found| *found == (condition, holds)).count();
    assert_eq!(count("IsString([objectGUID])", true), 8);
    assert_eq!(count(r#"Word([cloudAnchor],1,"_")=[sourceObjectType]"#, false), 1);
    assert_eq!(count("IsPresent([sAMAccountName])", false), 2);
    assert_eq!((tests.untested.len(), tests.branches), (11, 238), "{:#?}", tests.untested);
}

#[test]
fn the_export_and_its_twin_in_powershell_become_the_same_files() {
    let (Some(xml), Some(powershell)) = (shared("contoso"), shared("contoso-rules.ps1.txt")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let import = |path: &Path, out: &str| {
        let (said, code) = run(folder.path(), &["import-entra-connect", path.to_str().unwrap(), "--out", out]);
        assert_eq!(code, 0, "{said}");
        rules(&folder.path().join(out))
    };
    let first = import(&xml, "one");
    assert!(first.len() > 70, "{}", first.len());
    assert_eq!(first, import(&powershell, "two"));
    // Again into the same folder: nothing differs, so nothing is asked.
    assert_eq!(first, import(&xml, "one"));
    for command in ["check", "test"] {
        let (said, code) = run(&folder.path().join("one"), &[command]);
        assert_eq!(code, 0, "{said}");
        assert!(!said.contains("warning["), "{said}");
    }
    // What somebody wrote is not written over without a word.
    let edited = folder.path().join("one/rules/in-from-ad-user-join.rhai");
    fs::write(&edited, "// mine").unwrap();
    let arguments = ["import-entra-connect", xml.to_str().unwrap(), "--out", "one"];
    let (said, code) = run(folder.path(), &arguments);
    assert!(code == 2 && said.contains("in-from-ad-user-join.rhai"), "{said}");
    assert_eq!(fs::read_to_string(&edited).unwrap(), "// mine");
}

#[test]
fn a_damaged_export_says_where() {
    let Some(path) = shared("contoso") else { return };
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("SynchronizationRules");
    fs::create_dir(&rules).unwrap();
    let source = fs::read_dir(path.join("SynchronizationRules")).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&source).unwrap();
    let cut = rules.join(source.file_name().unwrap());
    fs::write(&cut, &text[..text.len() / 2]).unwrap();
    let (said, code) = run(folder.path(), &["import-entra-connect", ".", "--out", "out"]);
    assert!(code == 2 && said.contains("SynchronizationRule_{") && said.contains(".xml:"), "{said}");
    assert!(!folder.path().join("out").exists());
}
