//! The architecture as data: which module may use which, which library shows where, and how large a file may be.
//!
//! Reads the sources as text, comments left out. ARCHITECTURE.md says why; change both together.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use expect_test::expect;

/// Modules in reading order, each with all that it uses of ours. What it uses stands above it.
const MODULES: &[(&str, &[&str])] = &[
    ("value", &[]),
    ("dn", &["value"]),
    ("metaverse", &["connector_space", "value"]),
    ("connector_space", &["metaverse", "value"]),
    ("change", &["connector_space", "metaverse", "value"]),
    ("diagnostic", &[]),
    ("rules", &["connector_space", "diagnostic", "dn", "metaverse", "value"]),
    ("connector", &["connector_space", "dn", "value"]),
    ("sync", &["change", "connector_space", "dn", "metaverse", "rules", "value"]),
    ("store", &["change", "connector_space", "dn", "metaverse", "sync", "value"]),
    ("signature", &[]),
    ("config", &["connector", "diagnostic", "rules", "signature"]),
    ("reload", &["diagnostic", "rules"]),
    ("emulator", &["value"]),
    ("entra_connect", &["connector", "diagnostic", "dn", "rules", "value"]),
    (
        "run",
        &[
            "change",
            "config",
            "connector",
            "connector_space",
            "diagnostic",
            "dn",
            "emulator",
            "metaverse",
            "reload",
            "rules",
            "signature",
            "store",
            "sync",
            "value",
        ],
    ),
    ("observe", &["config", "connector", "diagnostic", "rules", "run"]),
    ("testing", &["connector", "connector_space", "diagnostic", "metaverse", "rules", "store", "sync", "value"]),
    (
        "cli",
        &[
            "change",
            "config",
            "connector",
            "connector_space",
            "diagnostic",
            "dn",
            "emulator",
            "entra_connect",
            "metaverse",
            "observe",
            "reload",
            "rules",
            "run",
            "signature",
            "store",
            "sync",
            "testing",
            "value",
        ],
    ),
    ("lib", &[]),
    ("main", &[]),
];

/// The one pair that names each other: a link has two ends, and each end has an id.
const PAIR: (&str, &str) = ("metaverse", "connector_space");

/// Libraries, and the modules that may name them.
const LIBRARIES: &[(&[&str], &[&str])] = &[
    (&["rhai"], &["rules"]),
    (&["sled"], &["store"]),
    (&["ldap3"], &["connector"]),
    (&["reqwest"], &["connector", "observe"]),
    (&["hyper", "hyper_util", "tower_service", "rcgen"], &["emulator"]),
    (&["axum"], &["emulator", "observe"]),
    (&["prometheus_client", "opentelemetry", "tracing_subscriber"], &["observe"]),
    (&["tracing"], &["connector", "run", "observe"]),
    (&["tokio"], &["connector", "emulator", "run", "observe", "cli"]),
    (&["notify"], &["reload"]),
    (&["minisign"], &["signature"]),
    (&["quick_xml", "saphyr_parser"], &["entra_connect"]),
    (&["clap", "clap_complete", "clap_mangen", "anstream", "indicatif", "rpassword"], &["cli"]),
    (&["flate2", "rustix"], &["run"]),
];

/// No clock, no dice, no files, no environment, no network: what comes out depends on what goes in.
const PURE: &[&str] = &["value", "dn", "metaverse", "connector_space", "change", "diagnostic", "sync"];
const IMPURE: &[&str] = &[
    "std::fs",
    "std::env",
    "std::net",
    "std::process",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "getrandom",
    "new_v4",
];

const MOST_LINES: usize = 600;

/// Files that are too long, with the length that they must not pass. The way out is to split them.
const TOO_LONG: &[(&str, usize)] = &[];

struct SourceFile {
    /// Relative to `src`, with `/`.
    path: String,
    text: String,
    /// The text without comments.
    code: String,
}

impl SourceFile {
    fn module(&self) -> &str {
        self.path.split('/').next().unwrap().trim_end_matches(".rs")
    }

    /// Tests inside the library may call what they test from outside.
    fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }
}

fn sources() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                files.push(SourceFile { path, code: without_comments(&text), text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// Cuts whole-line comments and what follows ` // `; we write no block comments.
fn without_comments(text: &str) -> String {
    let code = |line: &str| match line.trim_start() {
        comment if comment.starts_with("//") => String::new(),
        _ => line.split(" // ").next().unwrap_or_default().to_owned() + "\n",
    };
    text.lines().map(code).collect()
}

/// The names that follow `prefix` as a whole path segment: `crate::a::b` and `crate::{a, b::{c}}` give `a` and `b`.
fn names_after<'a>(code: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        if code[..at].ends_with(is_word) {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(group) => names.extend(top_of_group(group)),
            None => names.extend(word(rest)),
        }
    }
    names
}

/// The first words of a group's items, up to the brace that closes it.
fn top_of_group(group: &str) -> Vec<&str> {
    let mut depth = 0;
    let mut start = 0;
    let mut items = Vec::new();
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                items.extend(word(group[start..at].trim_start()));
                start = at + 1;
                if letter == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    items
}

fn word(text: &str) -> Option<&str> {
    let end = text.find(|letter| !is_word(letter)).unwrap_or(text.len());
    (end > 0).then(|| &text[..end])
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// `name::…`, or the name alone in a `use` or `extern crate`.
fn names_library(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + name.len()..]);
        let is_path = !before.ends_with(is_word) && !before.ends_with("::") || before.ends_with(" ::");
        let is_import = before.ends_with("use ") || before.ends_with("extern crate ");
        is_path && (after.starts_with("::") || is_import && !after.starts_with(is_word))
    })
}

#[test]
fn no_module_reaches_up() {
    let table: BTreeMap<&str, &[&str]> = MODULES.iter().copied().collect();
    let mut used: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut findings = Vec::new();
    let files = sources();
    for file in &files {
        let module = file.module();
        let Some(allowed) = table.get(module) else {
            findings.push(format!("src/{} belongs to no module of the table", file.path));
            continue;
        };
        for name in names_after(&file.code, "crate::") {
            if !table.contains_key(name) || name == module {
                continue;
            }
            used.entry(module).or_default().insert(name.to_owned());
            if !allowed.contains(&name) {
                findings.push(format!("src/{} uses `{name}`, which `{module}` must not know", file.path));
            }
        }
    }
    for (module, allowed) in MODULES {
        for name in *allowed {
            if !used.get(module).is_some_and(|used| used.contains(*name)) {
                findings.push(format!("`{module}` does not use `{name}` any more: take it out of the table"));
            }
        }
    }
    assert_eq!(findings, Vec::<String>::new());
}

#[test]
fn the_table_goes_one_way() {
    let mut above = BTreeSet::new();
    for (module, uses) in MODULES {
        for name in *uses {
            let is_pair = (*module, *name) == PAIR;
            assert!(is_pair || above.contains(name), "`{module}` uses `{name}`, which stands below it");
        }
        above.insert(*module);
    }
}

#[test]
fn libraries_stay_where_they_belong() {
    let mut findings = Vec::new();
    for file in sources().iter().filter(|file| !file.is_test()) {
        for (libraries, modules) in LIBRARIES {
            for library in libraries.iter().filter(|library| names_library(&file.code, library)) {
                if !modules.contains(&file.module()) {
                    findings.push(format!(
                        "src/{} names {library}, which belongs to {}",
                        file.path,
                        modules.join(", ")
                    ));
                }
            }
        }
    }
    assert_eq!(findings, Vec::<String>::new());
}

#[test]
fn the_heart_has_no_clock_no_dice_and_no_files() {
    let mut findings = Vec::new();
    for file in sources().iter().filter(|file| PURE.contains(&file.module())) {
        for what in IMPURE.iter().filter(|what| file.code.contains(**what)) {
            findings.push(format!("src/{} names {what}", file.path));
        }
    }
    assert_eq!(findings, Vec::<String>::new());
}

#[test]
fn every_file_says_what_it_is_and_fits() {
    let mut findings = Vec::new();
    for file in sources() {
        if !file.text.starts_with("//! ") {
            findings.push(format!("src/{} has no `//!` header", file.path));
        }
        let lines = file.text.lines().count();
        match TOO_LONG.iter().find(|(path, _)| *path == file.path) {
            Some((_, most)) if lines > *most => findings.push(format!("src/{} has grown to {lines} lines", file.path)),
            Some(_) if lines <= MOST_LINES => findings.push(format!("src/{} fits: take it off the list", file.path)),
            None if lines > MOST_LINES => findings.push(format!("src/{} has {lines} lines: split it", file.path)),
            Some(_) | None => {}
        }
    }
    assert_eq!(findings, Vec::<String>::new());
}

#[test]
fn the_reader_of_sources_sees_what_it_must() {
    let code = without_comments(
        "//! crate::no\nuse crate::{a, b::{c, d}, e};\nlet x = crate::f::g; // crate::no\nmycrate::h;\n",
    );
    expect![[r#"{"a", "b", "e", "f"}"#]].assert_eq(&format!("{:?}", names_after(&code, "crate::")));
    for text in ["use sled;", "use sled::Db;", "fn x() -> ::sled::Db", "(sled::open)"] {
        assert!(names_library(text, "sled"), "{text}");
    }
    for text in ["sled", "bobsled::ride", "my::sled::x", "use sledge;", "sled_like::x"] {
        assert!(!names_library(text, "sled"), "{text}");
    }
}
