//! YAML of configuration as code: `Items`, each a rule. Knows neither other formats nor what becomes of a rule.

use std::path::Path;

use super::draft::{self, Draft, Head, Mapping, unreadable};
use super::export::{Clause, Export, Format, JoinKey, Unreadable};
use super::spelling;
use super::tree::Node;

mod load;
#[cfg(test)]
mod tests;

/// What makes an item a rule.
const MARKS: [&str; 4] = ["ScopeFilter", "JoinFilter", "AttributeFlowMappings", "IsStandardRule"];
/// What an item may have. The rest is remarked on.
const KNOWN: [&str; 22] = [
    "Name",
    "Identifier",
    "Description",
    "ConnectorName",
    "Direction",
    "Disabled",
    "SourceObjectType",
    "TargetObjectType",
    "Precedence",
    "PrecedenceBefore",
    "PrecedenceAfter",
    "LinkType",
    "EnablePasswordSync",
    "ImmutableTag",
    "IsStandardRule",
    "SoftDeleteExpiryInterval",
    "Ensure",
    "ScopeFilter",
    "JoinFilter",
    "AttributeFlowMappings",
    "Version",
    "<<",
];

/// Reads the rules of a YAML file. Nothing where it has no list of rules.
pub(super) fn read_text(text: &str, file: &Path) -> Result<Option<Export>, Unreadable> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if !text.contains("Items") || !MARKS.iter().any(|mark| text.contains(mark)) {
        return Ok(None);
    }
    let documents = load::documents(text).map_err(|broken| {
        unreadable(file, broken.line, broken.message, "check the indentation and the quotes of the lines above it")
    })?;
    let items: Vec<&Node> = documents.iter().flat_map(lists).flatten().collect();
    if !items.iter().any(|item| is_rule(item)) {
        return Ok(None);
    }
    let mut draft = Draft::new(Format::Yaml, file);
    for item in items {
        read_item(&mut draft, file, item)?;
    }
    Ok(Some(draft.finish()))
}

/// The lists of rules of a document: at the top, or one level down.
fn lists(document: &Node) -> Vec<&[Node]> {
    let own = std::iter::once(document).chain(document.entries().iter().map(|(_, node)| node));
    own.filter_map(|node| node.get("Items")?.list()).filter(|list| list.iter().any(is_rule)).collect()
}

fn is_rule(item: &Node) -> bool {
    MARKS.iter().any(|mark| item.get(mark).is_some())
}

fn read_item(draft: &mut Draft<'_>, file: &Path, item: &Node) -> Result<(), Unreadable> {
    let Some(name) = item.text(&["Name"]).filter(|name| !name.trim().is_empty()) else {
        let message = format!("an item has no `Name`, but {}", item.keys());
        return Err(unreadable(file, item.line, message, "give the rule a `Name`"));
    };
    if item.text(&["Ensure"]).is_some_and(|ensure| ensure.eq_ignore_ascii_case("absent")) {
        draft.remark(item.line, format!("the rule `{name}` has `Ensure: Absent` and is left out"));
        return Ok(());
    }
    for (key, node) in item.entries() {
        if !node.is_empty() && !KNOWN.iter().any(|known| known.eq_ignore_ascii_case(key)) {
            draft.remark(node.line, format!("`{key}` of the rule `{name}` is not known and is left out"));
        }
    }
    let head = head(draft, item, name);
    let mut rule = draft.rule(head);
    for group in list(file, item, "ScopeFilter")? {
        let clauses = list(file, group, "ScopeConditionList")?.iter().map(|node| clause(file, node));
        rule.scope.push(clauses.collect::<Result<_, _>>()?);
    }
    for group in list(file, item, "JoinFilter")? {
        let keys = list(file, group, "JoinConditionList")?.iter().map(|node| join_key(file, node));
        rule.joins.push(keys.collect::<Result<_, _>>()?);
    }
    if rule.scope.iter().any(Vec::is_empty) || rule.joins.iter().any(Vec::is_empty) {
        let message = format!("the rule `{name}` has a group without conditions");
        return Err(unreadable(
            file,
            item.line,
            message,
            "fill `ScopeConditionList` or `JoinConditionList`, or take the group away",
        ));
    }
    for node in list(file, item, "AttributeFlowMappings")? {
        let mapping = mapping(draft, file, name, node)?;
        let flow = draft.flow(name, mapping);
        rule.flows.push(flow);
    }
    draft.keep(rule);
    Ok(())
}

fn head(draft: &mut Draft<'_>, item: &Node, name: &str) -> Head {
    let owned = |keys: &[&str]| item.text(keys).map(str::to_owned);
    let by_reference = flag(draft, item, "IsStandardRule", name);
    let connector = owned(&["ConnectorName"]).unwrap_or_default();
    if connector.is_empty() && !by_reference {
        draft.remark(item.line, format!("the rule `{name}` has no `ConnectorName`"));
    }
    if !connector.is_empty() && draft.connectors.iter().all(|known| known.id != connector) {
        draft.connectors.push(draft::connector(&connector, &connector));
    }
    Head {
        name: name.to_owned(),
        id: owned(&["Identifier"]).unwrap_or_default(),
        description: owned(&["Description"]).unwrap_or_default(),
        tag: owned(&["ImmutableTag"]),
        by_reference,
        direction: owned(&["Direction"]),
        disabled: flag(draft, item, "Disabled", name),
        connector,
        source: owned(&["SourceObjectType"]).unwrap_or_default(),
        target: owned(&["TargetObjectType"]).unwrap_or_default(),
        link: owned(&["LinkType"]),
        precedence: owned(&["Precedence"]),
        before: owned(&["PrecedenceBefore"]),
        after: owned(&["PrecedenceAfter"]),
        soft_delete: owned(&["SoftDeleteExpiryInterval"]),
        password_sync: flag(draft, item, "EnablePasswordSync", name),
        line: item.line,
    }
}

fn flag(draft: &mut Draft<'_>, node: &Node, key: &str, rule: &str) -> bool {
    let Some(said) = node.get(key) else { return false };
    said.scalar().and_then(spelling::truth).unwrap_or_else(|| {
        let shown = said.scalar().unwrap_or(said.kind());
        draft.remark(
            said.line,
            format!("`{key}` of the rule `{rule}` is `{shown}`, neither true nor false; false stands for it"),
        );
        false
    })
}

/// The list of a key; none where the key is not there.
fn list<'n>(file: &Path, node: &'n Node, key: &str) -> Result<&'n [Node], Unreadable> {
    let Some(found) = node.get(key) else { return Ok(&[]) };
    found.list().ok_or_else(|| {
        let message = format!("`{key}` is {}, not a list", found.kind());
        unreadable(file, found.line, message, "begin each of its entries with `- `")
    })
}

fn required<'n>(file: &Path, node: &'n Node, key: &str) -> Result<&'n str, Unreadable> {
    node.text(&[key]).ok_or_else(|| {
        let message = format!("`{key}` is missing; found are {}", node.keys());
        unreadable(file, node.line, message, &format!("give it a `{key}`"))
    })
}

fn clause(file: &Path, node: &Node) -> Result<Clause, Unreadable> {
    Ok(Clause {
        attribute: required(file, node, "Attribute")?.to_owned(),
        operator: required(file, node, "ComparisonOperator")?.to_owned(),
        value: node.text(&["ComparisonValue"]).unwrap_or_default().to_owned(),
    })
}

fn join_key(file: &Path, node: &Node) -> Result<JoinKey, Unreadable> {
    Ok(JoinKey {
        directory: required(file, node, "CSAttribute")?.to_owned(),
        metaverse: required(file, node, "MVAttribute")?.to_owned(),
        case_sensitive: node.text(&["CaseSensitive"]).and_then(spelling::truth).unwrap_or(false),
    })
}

fn mapping(draft: &mut Draft<'_>, file: &Path, rule: &str, node: &Node) -> Result<Mapping, Unreadable> {
    let owned = |key| node.text(&[key]).unwrap_or_default().to_owned();
    let sources = match node.get("Source") {
        Some(source) => match source.list() {
            Some(several) => several.iter().filter_map(Node::scalar).map(str::to_owned).collect(),
            None => source.scalar().map(str::to_owned).into_iter().collect(),
        },
        None => Vec::new(),
    };
    Ok(Mapping {
        to: required(file, node, "Destination")?.to_owned(),
        kind: owned("FlowType"),
        sources,
        constant: None,
        expression: owned("Expression"),
        once: flag(draft, node, "ExecuteOnce", rule),
        merge: owned("ValueMergeType"),
        line: node.line,
        expression_line: node.get("Expression").map_or(0, |expression| expression.text_line),
    })
}
