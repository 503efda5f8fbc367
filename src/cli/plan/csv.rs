//! A plan as a table for spreadsheets: one row an attribute, one an object where nothing else is known.

use crate::run::RunError;
use crate::run::plan::{Plan, PlanLine};

const HEAD: [&str; 10] = ["target", "kind", "type", "id", "object", "reason", "attribute", "before", "after", "rule"];

pub(super) fn table(plan: &Plan) -> Result<String, RunError> {
    let lines = plan.targets.iter().flat_map(|(name, target)| target.lines.iter().map(move |line| (name, line)));
    written(HEAD, lines.flat_map(|(target, line)| rows(target, line)))
}

/// A table as text; no cell of it is a formula.
pub(in crate::cli) fn written<const N: usize>(
    head: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> Result<String, RunError> {
    let failed = |error: String| RunError::Unknown(format!("the table cannot be written: {error}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(head).map_err(|error| failed(error.to_string()))?;
    for row in rows {
        writer.write_record(row.map(harmless)).map_err(|error| failed(error.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| failed(error.to_string()))
}

/// A spreadsheet takes text that begins like this for a formula, and runs it.
fn harmless(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text }
}

fn rows(target: &str, line: &PlanLine) -> Vec<[String; 10]> {
    let row = |attribute: &str, before: String, after: String, from: &str| {
        let head = [target, line.kind, &line.object_type, &line.id.to_string(), &line.name, &line.reason];
        let [target, kind, object_type, id, name, reason] = head.map(str::to_owned);
        [target, kind, object_type, id, name, reason, attribute.to_owned(), before, after, from.to_owned()]
    };
    let cell = |value: &serde_json::Value| match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let changes = line
        .changes
        .iter()
        .map(|change| row(&change.attribute, cell(&change.before), cell(&change.after), &change.from));
    let references = line.references.iter().map(|change| {
        row(&change.attribute, format!("{} removed", change.removed), format!("{} added", change.added), "")
    });
    let rows: Vec<_> = changes.chain(references).collect();
    if rows.is_empty() { vec![row("", String::new(), String::new(), "")] } else { rows }
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn no_cell_is_a_formula() {
        assert_eq!(harmless("=HYPERLINK(\"x\")".into()), "'=HYPERLINK(\"x\")");
        assert_eq!(harmless("a=b".into()), "a=b");
    }
}
