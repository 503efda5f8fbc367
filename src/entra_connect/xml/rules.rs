//! Rules: a `<synchronizationRule>` each.
//!
//! Knows how a rule is written, not how it acts: expressions are text here, and operators are words.

use std::collections::BTreeSet;

use super::tree::Element;
use super::{NIL, Reading, flag, guid};
use crate::entra_connect::export::{Clause, Direction, Flow, FlowSource, JoinKey, Link, Merge, Rule, Unreadable};
use crate::entra_connect::{draft, spelling};

/// What a rule consists of. Ids of the product's own, and versions, say nothing about what it does.
const KNOWN: [&str; 20] = [
    "id",
    "internal-id",
    "version",
    "name",
    "description",
    "immutable-tag",
    "direction",
    "disabled",
    "connector",
    "sourceObjectType",
    "targetObjectType",
    "linkType",
    "precedence",
    "precedence-after",
    "precedence-before",
    "softDeleteExpiryInterval",
    "EnablePasswordSync",
    "attribute-mappings",
    "relationshipCriteria",
    "synchronizationCriteria",
];

const COMPLETE: &str = "is the file complete, and as it was exported?";

/// Reads one.
pub(super) fn read(reading: &mut Reading, element: &Element) -> Result<Rule, Unreadable> {
    reading.tell_unknown(element, &KNOWN);
    let name = match element.text_of("name") {
        "" => return Err(reading.unreadable(element.line, "the rule has no `<name>`".to_owned(), COMPLETE)),
        name => name,
    };
    let direction = word(reading, element, name, "direction", direction, "`Inbound` or `Outbound`")?;
    let source = needed(reading, element, name, "sourceObjectType")?;
    let target = needed(reading, element, name, "targetObjectType")?;
    let (directory_type, metaverse_type) = match direction {
        Direction::Inbound => (source, target),
        Direction::Outbound => (target, source),
    };
    Ok(Rule {
        id: id(element),
        name: name.to_owned(),
        description: element.text_of("description").to_owned(),
        tag: Some(element.text_of("immutable-tag").to_owned()).filter(|tag| !tag.is_empty()),
        by_reference: false,
        direction,
        disabled: word(reading, element, name, "disabled", flag, "`True` or `False`")?,
        connector: guid(needed(reading, element, name, "connector")?),
        directory_type: directory_type.to_owned(),
        metaverse_type: metaverse_type.to_owned(),
        link: word(reading, element, name, "linkType", link, "`Join`, `Provision` or `StickyJoin`")?,
        precedence: word(reading, element, name, "precedence", |text| text.parse().ok(), "a whole number")?,
        before: neighbour(element, "precedence-before"),
        after: neighbour(element, "precedence-after"),
        soft_delete: span(element.text_of("softDeleteExpiryInterval")),
        password_sync: word(reading, element, name, "EnablePasswordSync", flag, "`true` or `false`")?,
        scope: scope(reading, element, name)?,
        joins: joins(reading, element, name)?,
        flows: flows(reading, element, name)?,
        place: reading.place(element.line),
    })
}

fn id(element: &Element) -> String {
    match element.text_of("id") {
        "" => guid(element.text_of("internal-id")),
        id => guid(id),
    }
}

fn direction(text: &str) -> Option<Direction> {
    match text.to_ascii_lowercase().as_str() {
        "inbound" => Some(Direction::Inbound),
        "outbound" => Some(Direction::Outbound),
        _ => None,
    }
}

fn link(text: &str) -> Option<Link> {
    match text.to_ascii_lowercase().as_str() {
        "join" => Some(Link::Join),
        "provision" => Some(Link::Provision),
        "stickyjoin" => Some(Link::StickyJoin),
        _ => None,
    }
}

fn merge(text: &str) -> Option<Merge> {
    match text.to_ascii_lowercase().as_str() {
        "" | "update" | "replace" => Some(Merge::Update),
        "merge" => Some(Merge::Merge),
        "mergecaseinsensitive" => Some(Merge::MergeCaseInsensitive),
        _ => None,
    }
}

/// A rule next to this one, in the order of rules; exports write the nil GUID for none.
fn neighbour(element: &Element, name: &str) -> Option<String> {
    let id = guid(element.text_of(name));
    (!id.is_empty() && id != NIL && id != "0").then_some(id)
}

/// A span of time; spans of nothing are written in many ways, but never with another digit than 0.
fn span(text: &str) -> Option<String> {
    text.contains(|character: char| matches!(character, '1'..='9')).then(|| text.to_owned())
}

/// The text of a child that must be there.
fn needed<'a>(reading: &Reading, element: &'a Element, rule: &str, child: &'static str) -> Result<&'a str, Unreadable> {
    match element.text_of(child) {
        "" => Err(reading.unreadable(element.line, format!("there is no `<{child}>` in the rule `{rule}`"), COMPLETE)),
        text => Ok(text),
    }
}

/// The meaning of a child that has one of few words.
fn word<T>(
    reading: &Reading,
    element: &Element,
    rule: &str,
    child: &str,
    meaning: impl Fn(&str) -> Option<T>,
    words: &str,
) -> Result<T, Unreadable> {
    let text = element.text_of(child);
    meaning(text).ok_or_else(|| {
        let line = element.child(child).map_or(element.line, |child| child.line);
        let message = match text {
            "" => format!("there is no `<{child}>` in the rule `{rule}`"),
            text => format!("`<{child}>` is `{text}` in the rule `{rule}`"),
        };
        reading.unreadable(line, message, &format!("it is {words}"))
    })
}

/// The groups of a part of a rule. One without conditions may mean anything, so it is told of and left out.
fn groups<T>(
    reading: &mut Reading,
    element: &Element,
    rule: &str,
    (part, condition): (&'static str, &'static str),
    read: impl Fn(&Reading, &Element) -> Result<T, Unreadable>,
) -> Result<Vec<Vec<T>>, Unreadable> {
    let mut groups = Vec::new();
    for criteria in element.all(part) {
        reading.tell_unknown(criteria, &["conditions"]);
        for conditions in criteria.all("conditions") {
            reading.tell_unknown(conditions, &[condition]);
            let group: Vec<T> =
                conditions.all(condition).map(|element| read(reading, element)).collect::<Result<_, _>>()?;
            if group.is_empty() {
                let text = format!("a group in `<{part}>` of the rule `{rule}` has no conditions, and is left out");
                reading.remark(conditions.line, text);
            } else {
                groups.push(group);
            }
        }
    }
    Ok(groups)
}

fn scope(reading: &mut Reading, element: &Element, rule: &str) -> Result<Vec<Vec<Clause>>, Unreadable> {
    groups(reading, element, rule, ("synchronizationCriteria", "scope"), |reading, clause| {
        let value = clause.child("csValue").filter(|value| !value.trimmed().is_empty());
        Ok(Clause {
            attribute: needed(reading, clause, rule, "csAttribute")?.to_owned(),
            operator: needed(reading, clause, rule, "csOperator")?.to_owned(),
            value: value.map(|value| value.text.clone()).unwrap_or_default(),
        })
    })
}

fn joins(reading: &mut Reading, element: &Element, rule: &str) -> Result<Vec<Vec<JoinKey>>, Unreadable> {
    groups(reading, element, rule, ("relationshipCriteria", "condition"), |reading, key| {
        Ok(JoinKey {
            directory: needed(reading, key, rule, "csAttribute")?.to_owned(),
            metaverse: needed(reading, key, rule, "ilmAttribute")?.to_owned(),
            case_sensitive: word(reading, key, rule, "caseSensitive", flag, "`True` or `False`")?,
        })
    })
}

fn flows(reading: &mut Reading, element: &Element, rule: &str) -> Result<Vec<Flow>, Unreadable> {
    let mut flows = Vec::new();
    let mut written = BTreeSet::new();
    for mapping in element.all("attribute-mappings").flat_map(|all| all.all("mapping")) {
        reading.tell_unknown(mapping, &["dest", "src", "expression", "valueMergeType"]);
        let to = needed(reading, mapping, rule, "dest")?.to_owned();
        let Some((mut from, line)) = source(reading, mapping, rule, &to)? else {
            reading.remark(
                mapping.line,
                format!("the flow to `{to}` in the rule `{rule}` has no source, and is left out"),
            );
            continue;
        };
        if spelling::is_secret(&to) && draft::holds_text(&from) {
            let remark = format!("the flow to `{to}` in the rule `{rule}` holds a password, which is left out");
            reading.remark(mapping.line, remark);
            from = FlowSource::Constant(String::new());
        }
        if !written.insert(to.to_lowercase()) {
            reading.remark(mapping.line, format!("the rule `{rule}` has more than one flow to `{to}`"));
        }
        let once = mapping.attribute("execute-once").unwrap_or_default();
        let once = flag(once).ok_or_else(|| {
            let message = format!("`execute-once` is `{once}` at the flow to `{to}` in the rule `{rule}`");
            reading.unreadable(mapping.line, message, "it is `true` or `false`")
        })?;
        let words = "`Update`, `Replace`, `Merge` or `MergeCaseInsensitive`";
        let merge = word(reading, mapping, rule, "valueMergeType", merge, words)?;
        flows.push(Flow { to, from, once, merge, place: reading.place(line) });
    }
    Ok(flows)
}

/// Where a flow takes its value from, and its line. No file says which of the three it is, but an expression always
/// counts: attributes beside it only say, and not always rightly, what it uses.
fn source(
    reading: &Reading,
    mapping: &Element,
    rule: &str,
    to: &str,
) -> Result<Option<(FlowSource, usize)>, Unreadable> {
    if let Some(expression) = mapping.child("expression")
        && let Some(line) = expression.text_line
    {
        return Ok(Some((FlowSource::Expression(expression.text.clone()), line)));
    }
    let Some(from) = mapping.child("src") else { return Ok(None) };
    let attributes: Vec<&str> = from.all("attr").map(Element::trimmed).filter(|name| !name.is_empty()).collect();
    match attributes.as_slice() {
        [] if from.trimmed().is_empty() => Ok(None),
        [] => Ok(Some((FlowSource::Constant(from.trimmed().to_owned()), mapping.line))),
        [attribute] => Ok(Some((FlowSource::Direct((*attribute).to_owned()), mapping.line))),
        several => {
            let names = several.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let message = format!("the flow to `{to}` in the rule `{rule}` takes several attributes: {names}");
            Err(reading.unreadable(from.line, message, "without an expression a flow takes one"))
        }
    }
}
