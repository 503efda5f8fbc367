//! Lookup tables beside the rules: `tables/*.csv` and `tables/*.toml`, read by `lookup`. Part of the rule set: they are
//! reloaded, checked and fingerprinted with it.
//!
//! A CSV file has a line of column names, and the key in its first column; a semicolon or a tabulator separates as well as
//! a comma. A TOML file has a key, and either one value or a table of columns. Keys compare as text does in rules: letter
//! case makes no difference.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, SourceText, did_you_mean};
use crate::value::{Value, Values, fold};

/// The folder of tables inside the rules folder.
pub(super) const FOLDER: &str = "tables";

/// The column of a value that stands alone beside its key.
const ALONE: &str = "value";

/// One table.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its file.
    pub source: Arc<SourceText>,
    /// The columns beside the key, in the order of the file.
    pub columns: Vec<String>,
    /// By key, folded; by column. A column without a value is not there.
    rows: BTreeMap<String, BTreeMap<String, Values>>,
}

/// Whether a file is a table.
pub(super) fn is_table(path: &Path) -> bool {
    let kind = path.extension().is_some_and(|extension| extension == "csv" || extension == "toml");
    kind && path.parent().and_then(Path::file_name).is_some_and(|name| name == FOLDER)
}

impl Table {
    /// Reads a table.
    ///
    /// # Errors
    /// `E130`: everything that is wrong with it.
    pub(super) fn read(source: &Arc<SourceText>) -> Result<Table, Vec<Diagnostic>> {
        if source.path.extension().is_some_and(|extension| extension == "csv") { csv(source) } else { toml(source) }
    }

    /// The values of a key in a column; in the only one without a column.
    ///
    /// # Errors
    /// Says what is wrong with the column.
    pub(super) fn get(&self, key: &str, column: Option<&str>) -> Result<&[Value], String> {
        let column = self.column(column)?;
        Ok(self.rows.get(&fold(key.trim())).and_then(|row| row.get(column)).map_or(&[], Vec::as_slice))
    }

    /// The column that is meant.
    ///
    /// # Errors
    /// When there is none of that name, or there are several to choose from.
    pub(super) fn column(&self, column: Option<&str>) -> Result<&str, String> {
        match (column, self.columns.as_slice()) {
            (None, [only]) => Ok(only),
            (None, columns) => Err(format!("say which column: `{}`", columns.join("`, `"))),
            (Some(wanted), columns) => {
                let found = columns.iter().find(|column| *column == wanted);
                found.map(String::as_str).ok_or_else(|| {
                    let hint = did_you_mean(wanted, columns.iter().map(String::as_str));
                    hint.unwrap_or_else(|| format!("there is no column `{wanted}`, but `{}`", columns.join("`, `")))
                })
            }
        }
    }

    fn add(&mut self, key: &str, row: BTreeMap<String, Values>) -> bool {
        self.rows.insert(fold(key.trim()), row).is_none()
    }
}

fn wrong(source: &Arc<SourceText>, message: String, range: std::ops::Range<usize>) -> Diagnostic {
    Diagnostic::error("E130", message).at(source, range)
}

fn csv(source: &Arc<SourceText>) -> Result<Table, Vec<Diagnostic>> {
    let text = source.text.trim_start_matches('\u{feff}');
    let skipped = source.text.len() - text.len();
    let names = text.lines().next().unwrap_or_default();
    let delimiter = [b';', b'\t', b','].into_iter().find(|delimiter| names.as_bytes().contains(delimiter));
    let Some(delimiter) = delimiter else {
        let message = "a table needs a line of column names: a key, and at least one more".to_owned();
        return Err(vec![wrong(source, message, skipped..skipped + names.len())]);
    };
    let mut reader = csv::ReaderBuilder::new();
    let mut reader = reader.delimiter(delimiter).trim(csv::Trim::All).from_reader(text.as_bytes());
    let columns: Vec<String> = match reader.headers() {
        Ok(names) => names.iter().skip(1).map(str::to_owned).collect(),
        Err(error) => return Err(vec![wrong(source, error.to_string(), skipped..skipped + names.len())]),
    };
    let mut table = Table { source: Arc::clone(source), columns, rows: BTreeMap::new() };
    let mut problems = Vec::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let at = error.position().map_or(0, |position| usize::try_from(position.byte()).unwrap_or(0)) + skipped;
                problems.push(wrong(source, unequal(&error), line(&source.text, at)));
                continue;
            }
        };
        let at = record.position().map_or(0, |position| usize::try_from(position.byte()).unwrap_or(0)) + skipped;
        let key = record.get(0).unwrap_or_default();
        let cells = table.columns.iter().cloned().zip(record.iter().skip(1));
        let row = cells.filter_map(|(column, cell)| Some((column, vec![Value::text(cell)?]))).collect();
        if !table.add(key, row) {
            problems.push(wrong(source, format!("the key `{key}` is there twice"), line(&source.text, at)));
        }
    }
    if problems.is_empty() { Ok(table) } else { Err(problems) }
}

fn unequal(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("this line has {len} columns, the first has {expected_len}")
        }
        _ => error.to_string(),
    }
}

/// The line that begins at, or after the line ends at, a place.
fn line(text: &str, at: usize) -> std::ops::Range<usize> {
    let rest = text.get(at..).unwrap_or_default();
    let start = at + rest.len() - rest.trim_start_matches(['\r', '\n']).len();
    let length = text.get(start..).and_then(|rest| rest.lines().next()).map_or(0, str::len);
    start..start + length
}

fn toml(source: &Arc<SourceText>) -> Result<Table, Vec<Diagnostic>> {
    type Rows = BTreeMap<toml::Spanned<String>, toml::Value>;
    let rows: Rows = toml::from_str(&source.text)
        .map_err(|error| vec![wrong(source, error.message().to_owned(), error.span().unwrap_or(0..0))])?;
    let mut table = Table { source: Arc::clone(source), columns: Vec::new(), rows: BTreeMap::new() };
    let mut problems = Vec::new();
    for (key, value) in rows {
        let cells = match value {
            toml::Value::Table(cells) => cells.into_iter().collect(),
            alone => vec![(ALONE.to_owned(), alone)],
        };
        let mut row = BTreeMap::new();
        for (column, cell) in cells {
            let Some(values) = values(&cell) else {
                let message = format!("`{column}` of `{}` is no text, number, flag or list of these", key.get_ref());
                problems.push(wrong(source, message, key.span()));
                continue;
            };
            if !table.columns.contains(&column) {
                table.columns.push(column.clone());
            }
            row.insert(column, values);
        }
        if !table.add(key.get_ref(), row) {
            problems.push(wrong(source, format!("the key `{}` is there twice", key.get_ref()), key.span()));
        }
    }
    if problems.is_empty() { Ok(table) } else { Err(problems) }
}

fn values(cell: &toml::Value) -> Option<Values> {
    Some(match cell {
        toml::Value::String(text) => Value::text(text.clone()).into_iter().collect(),
        toml::Value::Integer(number) => vec![Value::Integer(*number)],
        toml::Value::Boolean(flag) => vec![Value::Boolean(*flag)],
        toml::Value::Datetime(time) => Value::text(time.to_string()).into_iter().collect(),
        toml::Value::Array(list) => list.iter().map(values).collect::<Option<Vec<Values>>>()?.concat(),
        toml::Value::Float(_) | toml::Value::Table(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Result<Table, String> {
        let source = Arc::new(SourceText { path: format!("rules/tables/{name}").into(), text: text.to_owned() });
        Table::read(&source).map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    fn got(table: &Table, key: &str, column: Option<&str>) -> String {
        match table.get(key, column) {
            Ok(values) => values.iter().map(ToString::to_string).collect::<Vec<_>>().join("|"),
            Err(problem) => format!("error: {problem}"),
        }
    }

    #[test]
    fn a_csv_file_has_a_key_and_columns() {
        let table = read("sites.csv", "\u{feff}city;country;zone\r\nBerlin;DE;\"a;b\"\r\nKöln; DE ;\r\n").unwrap();
        assert_eq!(got(&table, "berlin", Some("zone")), "a;b");
        assert_eq!(got(&table, " KÖLN ", Some("country")), "DE");
        assert_eq!(got(&table, "Köln", Some("zone")), "");
        assert_eq!(got(&table, "Rom", Some("zone")), "");
        assert_eq!(got(&table, "Berlin", None), "error: say which column: `country`, `zone`");
        assert_eq!(got(&table, "Berlin", Some("contry")), "error: did you mean `country`?");
        assert_eq!(got(&read("two.csv", "a,b\n1,x\n").unwrap(), "1", None), "x");
    }

    #[test]
    fn a_toml_file_has_values_or_columns() {
        let table = read("codes.toml", "A1 = \"Sales\"\nB2 = [\"x\", \"y\"]\n").unwrap();
        assert_eq!((got(&table, "a1", None), got(&table, "b2", None)), ("Sales".into(), "x|y".into()));
        let table = read("codes.toml", "[A1]\nfloor = 3\nopen = true\n").unwrap();
        assert_eq!((got(&table, "a1", Some("floor")), got(&table, "a1", Some("open"))), ("3".into(), "true".into()));
    }

    #[test]
    fn what_is_wrong_has_its_place() {
        let shown = |name, text| read(name, text).unwrap_err();
        expect_test::expect![[r#"
            error[E130]: this line has 3 columns, the first has 2
             --> rules/tables/a.csv:3:1
              |
            3 | y,2,3
              | ^^^^^error[E130]: the key `X` is there twice
             --> rules/tables/a.csv:4:1
              |
            4 | X,4
              | ^^^"#]]
        .assert_eq(&shown("a.csv", "k,v\nx,1\ny,2,3\nX,4\n"));
        assert!(shown("a.csv", "key\nx\n").contains("a table needs a line of column names"));
        assert!(shown("a.toml", "a = 1.5\n").contains("`value` of `a` is no text"));
        assert!(shown("a.toml", "a = \n").contains("E130"));
    }
}
