//! `syncline doctor`.

use std::collections::BTreeMap;

use super::output::{print, print_json};
use super::{Exit, Format};
use crate::connector::{Finding, FindingLevel};
use crate::run::RunError;
use crate::run::session::Session;

pub(super) fn run(session: Session, format: Format) -> Result<Exit, RunError> {
    let mut findings: BTreeMap<String, Vec<Finding>> = BTreeMap::new();
    for (name, directory) in &session.directories {
        findings.insert(name.clone(), session.runtime.block_on(directory.doctor()));
    }
    session.close()?;
    let worst = findings.values().flatten().map(|finding| finding.level).max();
    match format {
        Format::Json => print_json(&findings),
        Format::Text => {
            for (name, findings) in &findings {
                for finding in findings {
                    let mark = match finding.level {
                        FindingLevel::Ok => "✓",
                        FindingLevel::Warning => "!",
                        FindingLevel::Error => "✗",
                    };
                    print(&format!("{mark} {name:<8} {:<24} {}", finding.subject, finding.message));
                    if let Some(hint) = &finding.hint {
                        print(&format!("  {:<8} {:<24} hint: {hint}", "", ""));
                    }
                }
            }
        }
    }
    Ok(if worst == Some(FindingLevel::Error) { Exit::Connector } else { Exit::Success })
}
