//! The table of codes is whole and true: every code that is used is in it, every wrong example has its code, every right
//! one has it not. And no false alarms about rules that are known to be good.
//! `UPDATE_EXPECT=1` writes the pages in `docs/` anew.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syncline::config::Config;
use syncline::diagnostic::codes::{CODES, explain};
use syncline::diagnostic::{Diagnostic, SourceText};
use syncline::rules::RuleSet;
use syncline::run::RunError;
use syncline::run::session::compile_rules;

const CONFIG: &str = r#"
[connector.ad]
kind = "ldif"
file = "x.ldif"
schema = "active-directory"

[connector.entra]
kind = "entra"
emulator = true

[rules]
folder = "rules"
"#;

const IN: &str = r#"const rule = #{ from: "ad/user", to: "metaverse/person", link: "project", precedence: 50, copy: ["displayName"] };"#;
const HEADER: &str = r#"const rule = #{ from: "ad/user", to: "metaverse/person", precedence: 100 };"#;

/// What is found about a rule beside one that writes `displayName`.
fn codes_of(rule: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("rules")).unwrap();
    let text = if rule.starts_with("const ") { rule.to_owned() } else { format!("{HEADER}\n{rule}") };
    fs::write(folder.path().join("rules/example.rhai"), text).unwrap();
    fs::write(folder.path().join("rules/in-name.rhai"), IN).unwrap();
    let source = SourceText { path: folder.path().join("syncline.toml"), text: CONFIG.into() };
    let config = Config::parse(source).unwrap();
    let found: Vec<Diagnostic> = match compile_rules(&config, &syncline::cli::shipped_schemas(&config)) {
        Ok((_, found)) | Err(RunError::Rules(found)) => found,
        Err(other) => unreachable!("{other}"),
    };
    found.iter().map(|finding| finding.code.to_owned()).collect()
}

#[test]
fn wrong_examples_have_their_code_and_right_ones_have_not() {
    for known in CODES {
        if let Some(wrong) = known.wrong {
            let found = codes_of(wrong);
            assert!(found.iter().any(|code| code == known.code), "{}: {wrong}\n{found:?}", known.code);
        }
        if let Some(right) = known.right {
            let found = codes_of(right);
            assert!(found.iter().all(|code| code != known.code), "{}: {right}\n{found:?}", known.code);
        }
    }
}

#[test]
fn every_code_in_the_sources_is_explained_once() {
    let mut used = BTreeSet::new();
    let mut open = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.file_name().is_some_and(|name| name != "codes.rs") {
            let text = fs::read_to_string(&path).unwrap();
            for constructor in ["Diagnostic::error(\"", "Diagnostic::warning(\"", "problem(\""] {
                for (at, _) in text.match_indices(constructor) {
                    let code = &text[at + constructor.len()..][..4];
                    let digits = code[1..].bytes().all(|byte| byte.is_ascii_digit());
                    if code.starts_with(['E', 'W']) && digits {
                        used.insert(code.to_owned());
                    }
                }
            }
        }
    }
    let mut known = BTreeMap::new();
    for code in CODES {
        assert!(known.insert(code.code, ()).is_none(), "{} is there twice", code.code);
    }
    let unknown: Vec<&String> = used.iter().filter(|code| explain(code).is_none()).collect();
    assert!(unknown.is_empty(), "not explained: {unknown:?}");
    let unused: Vec<&str> = known.into_keys().filter(|code| !used.contains(*code)).collect();
    assert!(unused.is_empty(), "explained and never used: {unused:?}");
}

#[test]
fn good_rules_have_no_findings() {
    for name in ["examples/contoso", "examples/openldap"] {
        let config = Config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(name).join("syncline.toml")).unwrap();
        let (_, findings) = compile_rules(&config, &syncline::cli::shipped_schemas(&config)).unwrap();
        assert!(findings.is_empty(), "{name}: {}", findings.iter().map(ToString::to_string).collect::<String>());
    }
}

#[test]
fn pages_are_what_the_tables_say() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    expect_test::expect_file![docs.join("functions.md")].assert_eq(&syncline::cli::functions_page());
    expect_test::expect_file![docs.join("entra-functions.md")].assert_eq(&syncline::cli::entra_page());
    expect_test::expect_file![docs.join("diagnostics.md")].assert_eq(&syncline::cli::diagnostics_page());
}

#[test]
fn examples_of_words_are_right() {
    for word in &syncline::rules::WORDS {
        let outbound = word.example.contains("(person)");
        let (from, to) = if outbound { ("metaverse/person", "entra/user") } else { ("ad/user", "metaverse/person") };
        let rule = format!("const rule = #{{ from: \"{from}\", to: \"{to}\", precedence: 100 }};\n{}", word.example);
        let files = [("rules/rule.rhai", rule.as_str()), ("rules/tables/countries.csv", "name,code\nGermany,DE\n")];
        let files = files.map(|(path, text)| SourceText { path: path.into(), text: text.into() });
        let settings = std::collections::BTreeMap::from([("company".to_owned(), "Contoso".to_owned())]);
        let (_, problems) = RuleSet::gather(files.into(), settings);
        let shown: String = problems.iter().map(ToString::to_string).collect();
        assert!(problems.is_empty(), "{}: {shown}", word.name);
        assert!(word.example.contains(&format!("{}(", word.name)), "{}", word.name);
    }
}

#[test]
fn recipes_are_right() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let pages = ["recipes.md", "rules-reference.md"].map(|name| fs::read_to_string(docs.join(name)).unwrap()).concat();
    let rules: Vec<&str> = pages.split("```rhai\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(rules.len(), 12);
    for rule in rules {
        // The rule beside it writes `displayName` only, so what a rule to a target reads is not written by anybody.
        let found: Vec<String> = codes_of(rule).into_iter().filter(|code| code != "W212").collect();
        assert!(found.is_empty(), "{rule}\n{found:?}");
    }
}
