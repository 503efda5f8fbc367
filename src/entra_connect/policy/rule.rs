//! One rule of a policy. Knows neither connectors nor the file around it.

use super::super::draft::{Head, Mapping};
use super::super::export::{Clause, JoinKey, Unreadable};
use super::super::spelling;
use super::super::tree::Node;
use super::Reading;

const SCOPE: [&str; 6] =
    ["scopeFilters", "scopeFilter", "scopingFilters", "scopeConditionGroups", "synchronizationCriteria", "scope"];
const JOINS: [&str; 8] = [
    "joinFilters",
    "joinFilter",
    "joinConditionGroups",
    "joinConditions",
    "joinRules",
    "joinCriteria",
    "relationshipCriteria",
    "joins",
];
const FLOWS: [&str; 4] = ["attributeMappings", "attributeFlowMappings", "mappings", "transformations"];
const DISABLED: [&str; 2] = ["disabled", "isDisabled"];
const PASSWORDS: [&str; 2] = ["enablePasswordSync", "passwordSync"];
const TEXTS: [&str; 21] = [
    "name",
    "description",
    "uniqueIdentifier",
    "identifier",
    "internalIdentifier",
    "immutableTag",
    "direction",
    "source",
    "sourceObjectType",
    "target",
    "targetObjectType",
    "linkType",
    "precedence",
    "precedenceBefore",
    "precedenceAfter",
    "softDeleteExpiryInterval",
    "version",
    "connector",
    "connectorIdentifier",
    "isStandardRule",
    "enabled",
];
/// Lists inside a group of conditions.
const CONDITIONS: [&str; 6] =
    ["conditions", "scopeConditions", "scopeConditionList", "joinConditions", "joinConditionList", "condition"];

/// What a mapping may have.
const MAPPING: [&str; 16] = [
    "destination",
    "dest",
    "targetAttribute",
    "source",
    "src",
    "sourceAttribute",
    "flowType",
    "mappingType",
    "type",
    "constantValue",
    "constant",
    "expression",
    "executeOnce",
    "applyOnce",
    "valueMergeType",
    "mergeType",
];

type Reader<R, T> = fn(&R, &Node, &str) -> Result<T, Unreadable>;

impl Reading<'_> {
    /// A rule that ships: a name.
    pub(super) fn standard(&mut self, node: &Node, connector: &str, path: &str) -> Result<(), Unreadable> {
        let mut head = self.head(node, connector, path)?;
        head.by_reference = true;
        head.disabled = flag(node, &DISABLED).unwrap_or(false);
        let rule = self.draft.rule(head);
        self.draft.keep(rule);
        Ok(())
    }

    /// A rule with all that is in it.
    pub(super) fn custom(&mut self, node: &Node, connector: &str, path: &str) -> Result<(), Unreadable> {
        let mut head = self.head(node, connector, path)?;
        self.unknown_keys(node, &head.name, path)?;
        if head.direction.as_deref().and_then(spelling::direction).is_none() {
            return Err(self.odd(node, path, "a rule with `direction` of `Inbound` or `Outbound`"));
        }
        let disabled = flag(node, &DISABLED).or(flag(node, &["enabled"]).map(|enabled| !enabled));
        if disabled.is_none() {
            self.silent.push(node.line);
        }
        head.disabled = disabled.unwrap_or(false);
        head.password_sync = flag(node, &PASSWORDS).unwrap_or(false);
        let name = head.name.clone();
        let mut rule = self.draft.rule(head);
        rule.scope = self.scope(node, &name, path)?;
        rule.joins = self.joins(node, &name, path)?;
        for (index, node) in self.list(node, &FLOWS, path)?.iter().enumerate() {
            let mapping = self.mapping(node, &format!("{path}.attributeMappings[{index}]"))?;
            if mapping.kind.is_empty() && mapping.expression.trim().is_empty() && mapping.constant.is_none() {
                self.typeless.push(node.line);
            }
            rule.flows.push(self.draft.flow(&name, mapping));
        }
        self.draft.keep(rule);
        Ok(())
    }

    fn head(&self, node: &Node, connector: &str, path: &str) -> Result<Head, Unreadable> {
        let owned = |keys: &[&str]| node.text(keys).map(str::to_owned);
        // A bare text in a list of names is a name.
        let Some(name) = owned(&["name"]).or_else(|| node.scalar().map(str::to_owned)) else {
            return Err(self.odd(node, path, "a rule with `name`"));
        };
        Ok(Head {
            name,
            id: owned(&["uniqueIdentifier", "identifier", "internalIdentifier"]).unwrap_or_default(),
            description: owned(&["description"]).unwrap_or_default(),
            tag: owned(&["immutableTag"]),
            direction: owned(&["direction"]),
            connector: connector.to_owned(),
            source: owned(&["source", "sourceObjectType"]).unwrap_or_default(),
            target: owned(&["target", "targetObjectType"]).unwrap_or_default(),
            link: owned(&["linkType"]),
            precedence: owned(&["precedence"]),
            before: owned(&["precedenceBefore"]),
            after: owned(&["precedenceAfter"]),
            soft_delete: owned(&["softDeleteExpiryInterval"]),
            line: node.line,
            ..Head::default()
        })
    }

    /// A key that may change what a rule does is an error, the rest a remark.
    fn unknown_keys(&mut self, node: &Node, rule: &str, path: &str) -> Result<(), Unreadable> {
        let known = [&SCOPE[..], &JOINS, &FLOWS, &DISABLED, &PASSWORDS, &TEXTS].concat();
        for (key, value) in node.entries() {
            if value.is_empty() || known.iter().any(|known| known.eq_ignore_ascii_case(key)) {
                continue;
            }
            let lower = key.to_lowercase();
            if ["join", "scope", "filter", "mapping", "relation", "criteria"].iter().any(|part| lower.contains(part)) {
                return Err(self.odd(node, path, &format!("a rule with keys that are known, which `{key}` is not")));
            }
            self.draft.remark(value.line, format!("`{key}` of the rule `{rule}` is not known and is left out"));
        }
        Ok(())
    }

    fn scope(&mut self, node: &Node, rule: &str, path: &str) -> Result<Vec<Vec<Clause>>, Unreadable> {
        let path = format!("{path}.scopeFilters");
        let list = self.list(node, &SCOPE, &path)?;
        let plain = list.first().filter(|first| first.text(&["attribute", "csAttribute"]).is_some());
        let Some(first) = plain else { return self.groups(list, &path, Self::clause) };
        if list.len() > 1 {
            let text = format!("the scope of the rule `{rule}` is a plain list of clauses; all of them must hold");
            self.draft.remark(first.line, text);
        }
        Ok(vec![self.each(list, &path, Self::clause)?])
    }

    fn joins(&mut self, node: &Node, rule: &str, path: &str) -> Result<Vec<Vec<JoinKey>>, Unreadable> {
        let path = format!("{path}.joinFilters");
        let list = self.list(node, &JOINS, &path)?;
        let plain = list.first().filter(|first| self.join_key(first, &path).is_ok());
        let Some(first) = plain else { return self.groups(list, &path, Self::join_key) };
        if list.len() > 1 {
            let text = format!("the joins of the rule `{rule}` are a plain list of pairs; each is tried by itself");
            self.draft.remark(first.line, text);
        }
        Ok(self.each(list, &path, Self::join_key)?.into_iter().map(|key| vec![key]).collect())
    }

    fn groups<T>(&self, list: &[Node], path: &str, read: Reader<Self, T>) -> Result<Vec<Vec<T>>, Unreadable> {
        self.each(list, path, |reading, group, path| reading.each(reading.group(group, path)?, path, read))
    }

    fn each<T>(
        &self,
        list: &[Node],
        path: &str,
        read: impl Fn(&Self, &Node, &str) -> Result<T, Unreadable>,
    ) -> Result<Vec<T>, Unreadable> {
        list.iter().enumerate().map(|(index, node)| read(self, node, &format!("{path}[{index}]"))).collect()
    }

    /// The conditions of a group, of which there must be one.
    fn group<'n>(&self, group: &'n Node, path: &str) -> Result<&'n [Node], Unreadable> {
        let list = match group.list() {
            Some(list) => list,
            None => self.list(group, &CONDITIONS, path)?,
        };
        if list.is_empty() { Err(self.odd(group, path, "groups of conditions")) } else { Ok(list) }
    }

    fn clause(&self, node: &Node, path: &str) -> Result<Clause, Unreadable> {
        let attribute = node.text(&["attribute", "csAttribute"]);
        let operator = node.text(&["condition", "operator", "comparisonOperator", "csOperator"]);
        let (Some(attribute), Some(operator)) = (attribute, operator) else {
            return Err(self.odd(node, path, "clauses of `attribute`, `condition` and `value`"));
        };
        let value = node.text(&["value", "comparisonValue", "csValue"]).unwrap_or_default();
        Ok(Clause { attribute: attribute.to_owned(), operator: operator.to_owned(), value: value.to_owned() })
    }

    fn join_key(&self, node: &Node, path: &str) -> Result<JoinKey, Unreadable> {
        let directory = node.text(&["csAttribute", "connectorSpaceAttribute"]);
        let metaverse = node.text(&["mvAttribute", "ilmAttribute", "metaverseAttribute"]);
        let (Some(directory), Some(metaverse)) = (directory, metaverse) else {
            return Err(self.odd(node, path, "pairs of `csAttribute` and `mvAttribute`"));
        };
        let case_sensitive = flag(node, &["caseSensitive", "isCaseSensitive"]).unwrap_or(false);
        Ok(JoinKey { directory: directory.to_owned(), metaverse: metaverse.to_owned(), case_sensitive })
    }

    fn mapping(&self, node: &Node, path: &str) -> Result<Mapping, Unreadable> {
        let Some(to) = node.text(&["destination", "dest", "targetAttribute"]) else {
            return Err(self.odd(node, path, "a mapping with `destination`"));
        };
        let strange = |(key, value): &&(String, Node)| {
            !value.is_empty() && !MAPPING.iter().any(|known| known.eq_ignore_ascii_case(key))
        };
        if let Some((key, _)) = node.entries().iter().find(strange) {
            return Err(self.odd(node, path, &format!("a mapping with keys that are known, which `{key}` is not")));
        }
        let owned = |keys: &[&str]| node.text(keys).unwrap_or_default().to_owned();
        let sources = match node.any(&["source", "src", "sourceAttribute"]) {
            None => Vec::new(),
            Some(one) => match (one.scalar(), one.list()) {
                (Some(text), _) => vec![text.to_owned()],
                (None, Some(list)) => list.iter().filter_map(Node::scalar).map(str::to_owned).collect(),
                (None, None) => return Err(self.odd(one, &format!("{path}.source"), "a name or a list of names")),
            },
        };
        Ok(Mapping {
            to: to.to_owned(),
            kind: owned(&["flowType", "mappingType", "type"]),
            sources,
            constant: node.text(&["constantValue", "constant"]).map(str::to_owned),
            expression: owned(&["expression"]),
            once: flag(node, &["executeOnce", "applyOnce"]).unwrap_or(false),
            merge: owned(&["valueMergeType", "mergeType"]),
            line: node.line,
            expression_line: node.any(&["expression"]).map_or(0, |expression| expression.text_line),
        })
    }
}

fn flag(node: &Node, keys: &[&str]) -> Option<bool> {
    node.text(keys).and_then(spelling::truth)
}
