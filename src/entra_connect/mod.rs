//! The way over from Entra Connect: its configuration in, rules and settings out.
//!
//! `export` is the configuration as data; `xml`, `powershell`, `yaml` and `policy` read it; `expression` knows its language;
//! `convert` writes rules. Pure but for the files that are read.

mod cases;
mod convert;
mod draft;
mod export;
mod expression;
mod policy;
mod powershell;
mod report;
mod selection;
mod settings;
mod spelling;
mod stock;
mod text;
mod tree;
mod written;
mod xml;
mod yaml;

pub use cases::{Tests, Untested, tests};
pub use convert::{AddedRule, Conversion, ConvertedFlow, ConvertedRule, FlowOutcome, State, convert, file_of};
pub use export::{
    AttributeSchema, Clause, Connector, ConnectorKind, Direction, Export, Flow, FlowSource, Format, JoinKey, Link,
    Merge, Partition, Place, Remark, Rule, TENANT_CONNECTOR, Unreadable,
};

pub use report::{Contest, Counts, FlowCounts, FlowLine, Giver, Lost, Message, MessageKind, Report, RuleLine, report};
pub use settings::settings;
pub use stock::{Likeness, fingerprint};

use std::path::Path;

/// Reads a configuration: a folder of XML, or a file in one of the formats.
///
/// # Errors
/// When it is none of them, or broken: where, and what to do.
pub fn read(path: &Path) -> Result<Export, Unreadable> {
    let unknown = |message: &str| Unreadable {
        place: Place { file: path.to_owned(), line: 1 },
        message: message.to_owned(),
        hint: Some(
            "`Get-ADSyncServerConfiguration -Path FOLDER` on the server writes what is read here best".to_owned(),
        ),
    };
    if path.is_dir() {
        return xml::read_folder(path)?
            .ok_or_else(|| unknown("there is no configuration of Entra Connect in this folder"));
    }
    let text = text::read(path)?;
    let named = |endings: &[&str]| {
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        endings.contains(&ending.as_str())
    };
    // A script may hold the words of every other format in its texts.
    let readers: &[Reader] = if named(&["yml", "yaml"]) {
        &[yaml::read_text]
    } else if named(&["ps1", "psm1"]) {
        &[powershell::read_text]
    } else {
        &[xml::read_text, policy::read_text, powershell::read_text, yaml::read_text]
    };
    for reader in readers {
        if let Some(export) = reader(&text, path)? {
            return Ok(with_connectors(export));
        }
    }
    Err(unknown("this is no configuration of Entra Connect"))
}

/// A reader of one format: nothing where a text has another.
type Reader = fn(&str, &Path) -> Result<Option<Export>, Unreadable>;

/// Rules of a connector that the export does not describe: it is a forest, unless it is the tenant.
fn with_connectors(mut export: Export) -> Export {
    for rule in &export.rules {
        if export.connectors.iter().any(|connector| connector.id == rule.connector) {
            continue;
        }
        let tenant = rule.connector == TENANT_CONNECTOR;
        export.connectors.push(Connector {
            id: rule.connector.clone(),
            name: String::new(),
            kind: if tenant { ConnectorKind::Entra } else { ConnectorKind::ActiveDirectory },
            parameters: Default::default(),
            accounts: Vec::new(),
            partitions: Vec::new(),
            schema: Default::default(),
            selected: Vec::new(),
            features: Default::default(),
        });
    }
    export
}
