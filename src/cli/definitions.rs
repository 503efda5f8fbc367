//! Definition files for editors that know Rhai: the vocabulary, the module `entra`, and the attributes of connectors.

use std::path::{Path, PathBuf};

use super::check;
use crate::config::Config;
use crate::rules::vocabulary::{self, entra};
use crate::rules::{Schemas, WORDS};
use crate::run::RunError;
use crate::value::{AttributeType, Kind};

/// Words that Rhai keeps to itself, and so no names of parameters.
const RESERVED: [&str; 8] = ["case", "const", "default", "in", "match", "new", "static", "with"];

/// Writes the files into a folder, and gives their names.
///
/// # Errors
/// When a file cannot be written.
pub(super) fn write(config: &Config, folder: &Path) -> Result<Vec<PathBuf>, RunError> {
    let failed =
        |path: &Path, error: &std::io::Error| RunError::Unknown(format!("cannot write `{}`: {error}", path.display()));
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    let files = [
        ("syncline.d.rhai", words()),
        ("entra.d.rhai", entra_functions()),
        ("attributes.d.rhai", attributes(&check::schemas(config))),
    ];
    let mut written = Vec::new();
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|error| failed(&path, &error))?;
        written.push(path);
    }
    Ok(written)
}

/// The functions of rules.
fn words() -> String {
    let mut text = "module static;\n".to_owned();
    for word in &WORDS {
        for signature in word.signature.split(" or ").filter(|signature| signature.contains('(')) {
            text += &declared(word.doc, word.name, signature, word.signature);
        }
    }
    for function in vocabulary::all() {
        text += &declared(function.doc, function.name, function.signature, function.signature);
    }
    text
}

/// The functions of Entra Connect.
fn entra_functions() -> String {
    let mut text = "module entra;\n".to_owned();
    for name in entra::CONSTANTS {
        text += &format!("\nconst {name}: String;\n");
    }
    for function in entra::all() {
        let names = parameters(&function.signature.replace(['[', ']'], ""));
        let result = result(function.signature);
        for count in function.arity.0..=function.arity.1.min(names.len()) {
            let list = names.iter().take(count).cloned().collect::<Vec<_>>().join(", ");
            text += &format!("\n/// {}\nfn {}({list}) -> {result};\n", function.doc, function.name);
        }
    }
    text
}

/// What each connector type has, as properties of a type such as `ad_user`.
fn attributes(schemas: &Schemas) -> String {
    let mut text = "module static;\n".to_owned();
    for (connector, types) in schemas {
        for (object_type, schema) in types {
            let place = format!("{connector}_{}", object_type.to_lowercase());
            for (name, kind) in schema.attributes.iter().filter(|(name, _)| is_name(name.as_str())) {
                let what = if kind.multi { "several values" } else { "one value" };
                let kind = of_kind(kind);
                text +=
                    &format!("\n/// `{connector}/{object_type}`, {what}.\nget {name}(object: {place}) -> {kind};\n");
            }
        }
    }
    text
}

fn declared(doc: &str, name: &str, signature: &str, whole: &str) -> String {
    let names = parameters(signature).join(", ");
    format!("\n/// {doc}\n///\n/// `{whole}`\nfn {name}({names}) -> {};\n", result(whole))
}

/// The parameters with their types, each with a name of its own.
fn parameters(signature: &str) -> Vec<String> {
    let inside = signature.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("", |(inside, _)| inside);
    let mut names: Vec<String> = Vec::new();
    for part in inside.split(',').map(str::trim).filter(|part| !part.is_empty() && *part != "…") {
        let is_closure = part.starts_with('|');
        let words = if is_closure { "change" } else { part.rsplit('.').next().unwrap_or(part) };
        let mut name: String = words.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        if RESERVED.contains(&name.as_str()) {
            name.push('_');
        }
        let twice = names.iter().filter(|known| known.split(':').next() == Some(&name)).count();
        if twice > 0 {
            name = format!("{name}{}", names.len() + 1);
        }
        names.push(format!("{name}: {}", if is_closure { "FnPtr" } else { "?" }));
    }
    names
}

fn result(signature: &str) -> &'static str {
    match signature.rsplit(" -> ").next().unwrap_or_default() {
        "text" | "time" | "date" => "String",
        "number" => "int",
        "true or false" => "bool",
        "list" => "Array",
        "bytes" => "Blob",
        _ => "?",
    }
}

fn of_kind(kind: &AttributeType) -> &'static str {
    match (kind.multi, kind.kind) {
        (_, Kind::Reference) => "?",
        (true, _) => "Array",
        (false, Kind::Integer) => "int",
        (false, Kind::Boolean) => "bool",
        (false, Kind::Bytes) => "Blob",
        (false, Kind::Text | Kind::Time) => "String",
        (false, Kind::Password) => "?",
    }
}

/// Others are read as `user["msDS-Name"]`, and no editor completes them.
fn is_name(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of a definition file: nothing, a comment, a module, or a declaration.
    fn is_right(line: &str) -> bool {
        let Some(declaration) = line.strip_suffix(';') else { return line.is_empty() || line.starts_with("///") };
        let Some((head, tail)) = declaration.split_once('(') else {
            return declaration.starts_with("module ") || declaration.starts_with("const ");
        };
        let Some((inside, result)) = tail.split_once(") -> ") else { return false };
        let names: Vec<&str> = inside
            .split(", ")
            .filter(|part| !part.is_empty())
            .filter_map(|part| part.split_once(": "))
            .map(|(name, _)| name)
            .collect();
        let count = inside.split(", ").filter(|part| !part.is_empty()).count();
        let distinct: std::collections::BTreeSet<&&str> = names.iter().collect();
        (head.starts_with("fn ") || head.starts_with("get "))
            && head.split_whitespace().count() == 2
            && names.len() == count
            && distinct.len() == count
            && names.iter().all(|name| is_name(name) && !RESERVED.contains(name))
            && ["String", "int", "bool", "Array", "Blob", "?"].contains(&result)
    }

    #[test]
    fn every_line_is_a_definition() {
        let schemas = Schemas::from([(
            "entra".to_owned(),
            [("user".to_owned(), crate::connector::graph::schema("user").unwrap().clone())].into(),
        )]);
        let files = [words(), entra_functions(), attributes(&schemas)];
        for line in files.iter().flat_map(|text| text.lines()) {
            assert!(is_right(line), "{line}");
        }
        let all = files.concat();
        for line in [
            "fn lower(text: ?) -> String;",
            "fn days_between(time: ?, time2: ?) -> int;",
            "fn lookup(table: ?, key: ?, column: ?) -> ?;",
            "fn InStr(text: ?, part: ?, start: ?) -> int;",
            "fn Select(list: ?, change: FnPtr) -> Array;",
            "get displayName(object: entra_user) -> String;",
            "get businessPhones(object: entra_user) -> Array;",
        ] {
            assert!(all.lines().any(|known| known == line), "{line}");
        }
    }
}
