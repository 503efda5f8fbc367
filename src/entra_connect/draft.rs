//! What a reader of text gathers before it is an export: rules and flows from words, with a remark for each word that says
//! nothing. Knows no format.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::export::{
    Connector, ConnectorKind, Direction, Export, Flow, FlowSource, Format, Link, Merge, Place, Remark, Rule,
    TENANT_CONNECTOR, Unreadable,
};
use super::spelling;

mod mapping;

use mapping::source;
pub(super) use mapping::{Mapping, failing, holds_text};

/// What stands for a precedence that is not known: the last of those that people give to rules of their own.
pub(super) const UNKNOWN_PRECEDENCE: i64 = 99;

/// An export in the making.
pub(super) struct Draft<'a> {
    file: &'a Path,
    format: Format,
    /// Connectors that the file describes; those that it only names are added at the end.
    pub(super) connectors: Vec<Connector>,
    /// Rules in the order of the file.
    pub(super) rules: Vec<Rule>,
    remarks: Vec<Remark>,
}

/// What a file says of a rule, word for word. Nothing where it says nothing.
#[derive(Default)]
pub(super) struct Head {
    /// What people call it.
    pub(super) name: String,
    /// Its id, in any spelling.
    pub(super) id: String,
    /// What people wrote about it.
    pub(super) description: String,
    /// `ImmutableTag`.
    pub(super) tag: Option<String>,
    /// Whether it is a rule that ships, of which there is no more.
    pub(super) by_reference: bool,
    /// `Inbound`, `Outbound`.
    pub(super) direction: Option<String>,
    /// Whether it is switched off.
    pub(super) disabled: bool,
    /// The id of its connector, as it is compared.
    pub(super) connector: String,
    /// The class that it reads.
    pub(super) source: String,
    /// The class that it writes.
    pub(super) target: String,
    /// `Join`, `Provision`, `StickyJoin`.
    pub(super) link: Option<String>,
    /// A number.
    pub(super) precedence: Option<String>,
    /// The id of the rule that it goes before; may be nil.
    pub(super) before: Option<String>,
    /// The id of the rule that it goes after; may be nil.
    pub(super) after: Option<String>,
    /// A span of time; may be none.
    pub(super) soft_delete: Option<String>,
    /// Whether hashes of passwords go with it.
    pub(super) password_sync: bool,
    /// Where it begins.
    pub(super) line: usize,
}

impl<'a> Draft<'a> {
    /// Nothing yet.
    pub(super) fn new(format: Format, file: &'a Path) -> Self {
        Draft { file, format, connectors: Vec::new(), rules: Vec::new(), remarks: Vec::new() }
    }

    /// A line of the file.
    pub(super) fn place(&self, line: usize) -> Place {
        Place { file: self.file.to_owned(), line }
    }

    /// Keeps something that people should know.
    pub(super) fn remark(&mut self, line: usize, text: impl Into<String>) {
        self.remarks.push(Remark { text: text.into(), place: self.place(line) });
    }

    /// A rule without scope, joins and flows.
    pub(super) fn rule(&mut self, head: Head) -> Rule {
        let direction = self.direction(&head);
        let (directory_type, metaverse_type) = match direction {
            Direction::Inbound => (head.source.clone(), head.target.clone()),
            Direction::Outbound => (head.target.clone(), head.source.clone()),
        };
        let link = self.link(&head);
        let (precedence, before, after) = self.precedence(&head);
        Rule {
            id: spelling::guid(&head.id),
            description: head.description,
            tag: head.tag.filter(|tag| !tag.trim().is_empty()),
            by_reference: head.by_reference,
            direction,
            disabled: head.disabled,
            connector: head.connector,
            directory_type,
            metaverse_type,
            link,
            precedence,
            before,
            after,
            soft_delete: head.soft_delete.as_deref().and_then(spelling::soft_delete),
            password_sync: head.password_sync,
            scope: Vec::new(),
            joins: Vec::new(),
            flows: Vec::new(),
            place: self.place(head.line),
            name: head.name,
        }
    }

    fn direction(&mut self, head: &Head) -> Direction {
        let said = head.direction.as_deref();
        if let Some(direction) = said.and_then(spelling::direction) {
            return direction;
        }
        let guess = spelling::direction_of_name(&head.name);
        if !head.by_reference || said.is_some() {
            let shown = match guess {
                Direction::Inbound => "inbound",
                Direction::Outbound => "outbound",
            };
            let said = said.map_or("no direction".into(), |said| format!("the direction `{said}`, which is not known"));
            self.remark(head.line, format!("the rule `{}` has {said}; by its name it is taken for {shown}", head.name));
        }
        guess
    }

    fn link(&mut self, head: &Head) -> Link {
        let said = head.link.as_deref();
        if let Some(link) = said.and_then(spelling::link) {
            return link;
        }
        if !head.by_reference || said.is_some() {
            let said = said.map_or("no link type".into(), |said| format!("the link type `{said}`, which is not known"));
            self.remark(head.line, format!("the rule `{}` has {said}; `Join` stands for it", head.name));
        }
        Link::Join
    }

    fn precedence(&mut self, head: &Head) -> (i64, Option<String>, Option<String>) {
        let before = head.before.as_deref().and_then(spelling::named_guid);
        let after = head.after.as_deref().and_then(spelling::named_guid);
        let said = head.precedence.as_deref().filter(|said| !said.trim().is_empty());
        let relative = before.is_some() || after.is_some();
        match said.map(|said| said.trim().parse::<i64>()) {
            Some(Ok(0)) => (0, before, after),
            None if relative => (0, before, after),
            Some(Ok(number)) => (number, None, None),
            None if head.by_reference => (0, None, None),
            Some(Err(_)) | None => {
                let said = said.map_or("no precedence".into(), |said| format!("the precedence `{said}`, not a number"));
                let text = format!("the rule `{}` has {said}; {UNKNOWN_PRECEDENCE} stands for it", head.name);
                self.remark(head.line, text);
                (UNKNOWN_PRECEDENCE, None, None)
            }
        }
    }

    /// A flow of a rule. One that cannot be understood becomes an expression that fails, never one that writes.
    pub(super) fn flow(&mut self, rule: &str, mapping: Mapping) -> Flow {
        let line = mapping.line;
        let merge = spelling::merge(&mapping.merge).unwrap_or_else(|| {
            let (to, word) = (&mapping.to, &mapping.merge);
            self.remark(line, format!("the flow to `{to}` of the rule `{rule}` merges by `{word}`, which is not known; `Update` stands for it"));
            Merge::Update
        });
        let mut from = source(&mapping).unwrap_or_else(|problem| {
            self.remark(line, format!("the flow to `{}` of the rule `{rule}` {problem}; it fails instead", mapping.to));
            FlowSource::Expression(failing(&problem))
        });
        if spelling::is_secret(&mapping.to) && holds_text(&from) {
            self.remark(
                line,
                format!("the flow to `{}` of the rule `{rule}` holds a password, which is left out", mapping.to),
            );
            from = FlowSource::Constant(String::new());
        }
        let line = match &from {
            FlowSource::Expression(_) if mapping.expression_line > 0 => mapping.expression_line,
            FlowSource::Expression(_) | FlowSource::Direct(_) | FlowSource::Constant(_) => line,
        };
        Flow { to: mapping.to, from, once: mapping.once, merge, place: self.place(line) }
    }

    /// Takes a rule that is complete.
    pub(super) fn keep(&mut self, rule: Rule) {
        let mut seen = BTreeSet::new();
        for flow in &rule.flows {
            if !seen.insert(flow.to.to_lowercase()) {
                self.remark(flow.place.line, format!("the rule `{}` writes `{}` more than once", rule.name, flow.to));
            }
        }
        self.rules.push(rule);
    }

    /// The export: rules in order of precedence, a connector for each that is named.
    pub(super) fn finish(mut self) -> Export {
        self.rules.sort_by(|a, b| {
            (a.precedence, &a.connector, &a.name, &a.id).cmp(&(b.precedence, &b.connector, &b.name, &b.id))
        });
        let named: BTreeSet<&str> = self.rules.iter().map(|rule| rule.connector.as_str()).collect();
        for id in named {
            if !id.is_empty() && self.connectors.iter().all(|connector| connector.id != id) {
                self.connectors.push(connector(id, ""));
            }
        }
        Export {
            format: self.format,
            server: None,
            version: None,
            settings: BTreeMap::new(),
            metaverse: BTreeMap::new(),
            connectors: self.connectors,
            rules: self.rules,
            remarks: self.remarks,
        }
    }
}

/// A connector of which no more is known.
pub(super) fn connector(id: &str, name: &str) -> Connector {
    let entra = id == TENANT_CONNECTOR || id.to_lowercase().ends_with(" - aad");
    Connector {
        id: id.to_owned(),
        name: name.to_owned(),
        kind: if entra { ConnectorKind::Entra } else { ConnectorKind::ActiveDirectory },
        parameters: BTreeMap::new(),
        accounts: Vec::new(),
        partitions: Vec::new(),
        schema: BTreeMap::new(),
        selected: Vec::new(),
        features: BTreeMap::new(),
    }
}

/// A file that cannot be read.
pub(super) fn unreadable(file: &Path, line: usize, message: impl Into<String>, hint: &str) -> Unreadable {
    Unreadable {
        place: Place { file: file.to_owned(), line },
        message: message.into(),
        hint: (!hint.is_empty()).then(|| hint.to_owned()),
    }
}
