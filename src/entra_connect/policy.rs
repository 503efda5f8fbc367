//! The JSON policy of the wizard: connectors, partitions, rules of its own, and the names of those that ship. Knows neither
//! other formats nor what the named rules hold.
//!
//! No complete description of it is public. Names are read leniently, but what has a shape that is not known is an error:
//! a condition that is lost is a rule that does something else.

use std::path::Path;

use super::draft::{self, Draft, unreadable};
use super::export::{Connector, Export, Format, Partition, TENANT_CONNECTOR, Unreadable};
use super::spelling;
use super::tree::Node;

mod json;
mod rule;
#[cfg(test)]
mod tests;

const MARK: &str = "onpremisesDirectoryPolicy";
const CLOUD: &str = "azureDirectoryPolicy";
const STANDARD: &str = "standardSynchronizationRules";
const CUSTOM: &str = "customSynchronizationRules";

/// Reads a policy. Nothing where the text is none.
pub(super) fn read_text(text: &str, file: &Path) -> Result<Option<Export>, Unreadable> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if !text.to_lowercase().contains(&MARK.to_lowercase()) {
        return Ok(None);
    }
    let document = json::load(text).map_err(|error| {
        let message = format!("this is not JSON: {error}");
        unreadable(file, error.line().max(1), message, "export the policy again, or undo what was changed by hand")
    })?;
    let Some(directories) = document.get(MARK) else { return Ok(None) };
    let mut reading =
        Reading { draft: Draft::new(Format::Policy, file), file, silent: Vec::new(), typeless: Vec::new() };
    // PowerShell writes a list of one as the one.
    match directories.list() {
        Some(several) => {
            for (index, directory) in several.iter().enumerate() {
                reading.directory(directory, &format!("{MARK}[{index}]"))?;
            }
        }
        None => reading.directory(directories, MARK)?,
    }
    if let Some(cloud) = document.get(CLOUD) {
        reading.cloud(cloud)?;
    }
    if let Some(first) = reading.silent.first() {
        let (count, line) = (reading.silent.len(), *first);
        let text =
            format!("custom rules, {count} in all, do not say whether they are switched off; they are taken for on");
        reading.draft.remark(line, text);
    }
    if let Some(first) = reading.typeless.first() {
        let (count, line) = (reading.typeless.len(), *first);
        let text =
            format!("flows, {count} in all, do not say whether they are direct or constant; they are taken for direct");
        reading.draft.remark(line, text);
    }
    Ok(Some(reading.draft.finish()))
}

struct Reading<'a> {
    draft: Draft<'a>,
    file: &'a Path,
    /// Lines of custom rules that do not say whether they are on.
    silent: Vec<usize>,
    /// Lines of flows that do not say whether they are direct or constant.
    typeless: Vec<usize>,
}

impl Reading<'_> {
    /// A shape that is not understood.
    fn odd(&self, node: &Node, path: &str, expected: &str) -> Unreadable {
        let message = format!("`{path}` should be {expected}; found are {}", node.keys());
        unreadable(
            self.file,
            node.line,
            message,
            "report the names of these keys, without their values, so that they can be read",
        )
    }

    /// The list of a key; none where the key is not there.
    fn list<'n>(&self, node: &'n Node, keys: &[&str], path: &str) -> Result<&'n [Node], Unreadable> {
        let Some(found) = node.any(keys) else { return Ok(&[]) };
        let key = keys.first().copied().unwrap_or_default();
        match found.list() {
            Some(list) => Ok(list),
            None if !found.entries().is_empty() => Ok(std::slice::from_ref(found)),
            None => Err(self.odd(found, &format!("{path}.{key}"), "a list")),
        }
    }

    fn directory(&mut self, node: &Node, path: &str) -> Result<(), Unreadable> {
        if node.entries().is_empty() {
            return Err(self.odd(node, path, "a directory with keys"));
        }
        let host = node.text(&["fullyQualifiedDomainName"]);
        let name = node.text(&["friendlyName", "name"]).or(host);
        let id = node.text(&["uniqueIdentifier"]).and_then(spelling::named_guid).or(name.map(str::to_owned));
        let Some(id) = id else {
            return Err(self.odd(node, path, "a directory with `uniqueIdentifier` or `fullyQualifiedDomainName`"));
        };
        let mut connector = draft::connector(&id, name.unwrap_or_default());
        if let Some(host) = host {
            connector.parameters.insert("Forest.FQDN".into(), host.to_owned());
        }
        for (index, filter) in self.list(node, &["partitionFilters"], path)?.iter().enumerate() {
            let path = format!("{path}.partitionFilters[{index}]");
            connector.partitions.push(self.partition(filter, &path)?);
        }
        self.connector(connector, node, path)
    }

    fn cloud(&mut self, node: &Node) -> Result<(), Unreadable> {
        if node.entries().is_empty() {
            return Err(self.odd(node, CLOUD, "one directory with keys"));
        }
        let name = node.text(&["friendlyName", "name"]).unwrap_or_default();
        self.connector(draft::connector(TENANT_CONNECTOR, name), node, CLOUD)
    }

    fn connector(&mut self, connector: Connector, node: &Node, path: &str) -> Result<(), Unreadable> {
        for (index, rule) in self.list(node, &[STANDARD], path)?.iter().enumerate() {
            self.standard(rule, &connector.id, &format!("{path}.{STANDARD}[{index}]"))?;
        }
        for (index, rule) in self.list(node, &[CUSTOM], path)?.iter().enumerate() {
            self.custom(rule, &connector.id, &format!("{path}.{CUSTOM}[{index}]"))?;
        }
        self.draft.connectors.push(connector);
        Ok(())
    }

    fn partition(&self, node: &Node, path: &str) -> Result<Partition, Unreadable> {
        let Some(dn) = node.text(&["distinguishedName", "dn"]) else {
            return Err(self.odd(node, path, "a partition with `distinguishedName`"));
        };
        Ok(Partition {
            dn: dn.to_owned(),
            selected: true,
            object_classes: Vec::new(),
            includes: self.names(node, "containerInclusions", path)?,
            excludes: self.names(node, "containerExclusions", path)?,
            parameters: std::collections::BTreeMap::new(),
        })
    }

    /// Texts of a list; a single one may stand without a list.
    fn names(&self, node: &Node, key: &str, path: &str) -> Result<Vec<String>, Unreadable> {
        let Some(found) = node.get(key) else { return Ok(Vec::new()) };
        if let Some(one) = found.scalar() {
            return Ok(vec![one.to_owned()]);
        }
        let path = format!("{path}.{key}");
        let list = found.list().ok_or_else(|| self.odd(found, &path, "a list of names"))?;
        list.iter()
            .map(|item| item.scalar().map(str::to_owned).ok_or_else(|| self.odd(item, &path, "a list of names")))
            .collect()
    }
}
