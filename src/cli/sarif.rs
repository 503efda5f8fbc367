//! Findings as SARIF 2.1.0, which code scanning of CI systems reads.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::output::print_json;
use crate::diagnostic::codes::explain;
use crate::diagnostic::{Diagnostic, Severity};
use crate::run::RunError;

/// Writes a file; `-` is stdout.
pub(super) fn write(path: &Path, findings: &[Diagnostic]) -> Result<(), RunError> {
    let report = report(findings);
    if path.as_os_str() == "-" {
        print_json(&report);
        return Ok(());
    }
    let failed = |error: String| RunError::Unknown(format!("cannot write `{}`: {error}", path.display()));
    let text = serde_json::to_string_pretty(&report).map_err(|error| failed(error.to_string()))?;
    std::fs::write(path, text).map_err(|error| failed(error.to_string()))
}

fn report(findings: &[Diagnostic]) -> Json {
    let codes: BTreeSet<&str> = findings.iter().map(|finding| finding.code).collect();
    let rules: Vec<Json> = codes
        .into_iter()
        .map(|code| match explain(code) {
            Some(known) => json!({
                "id": code,
                "shortDescription": { "text": known.title },
                "fullDescription": { "text": known.meaning },
            }),
            None => json!({ "id": code }),
        })
        .collect();
    let results: Vec<Json> = findings.iter().map(result).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "syncline", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(finding: &Diagnostic) -> Json {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let beside: Vec<&str> = finding.notes.iter().chain(&finding.hint).map(String::as_str).collect();
    let text = match beside.as_slice() {
        [] => finding.message.clone(),
        beside => format!("{} ({})", finding.message, beside.join("; ")),
    };
    let mut result = json!({ "ruleId": finding.code, "level": level, "message": { "text": text } });
    let place = finding.source.as_ref().zip(finding.line_and_column());
    if let (Some((source, (line, column))), Some(map)) = (place, result.as_object_mut()) {
        let location = json!([{ "physicalLocation": {
            "artifactLocation": { "uri": source.path.display().to_string() },
            "region": { "startLine": line, "startColumn": column },
        } }]);
        map.insert("locations".into(), location);
    }
    result
}
