//! The commands that make rules and flows. Knows neither tokens nor how a value is written.

use super::super::draft::{Head, Mapping, UNKNOWN_PRECEDENCE, failing};
use super::super::spelling;
use super::Script;
use super::arguments::{Given, first_unknown};
use super::terms::Command;
use super::values::{Unknown, Value, flat, shown};

/// The command that makes a rule.
pub(super) const NEW_RULE: &str = "New-ADSyncRule";

const RULE: [&str; 17] = [
    "Name",
    "Identifier",
    "Description",
    "Direction",
    "Precedence",
    "PrecedenceAfter",
    "PrecedenceBefore",
    "SourceObjectType",
    "TargetObjectType",
    "Connector",
    "LinkType",
    "SoftDeleteExpiryInterval",
    "ImmutableTag",
    "EnablePasswordSync",
    "Disabled",
    "SourceNamespaceId",
    "TargetNamespaceId",
];
const FLOW: [&str; 8] = [
    "SynchronizationRule",
    "Source",
    "Destination",
    "FlowType",
    "ValueMergeType",
    "Expression",
    "ConstantValue",
    "ExecuteOnce",
];

impl Script<'_> {
    /// Reads a command. Gives what it makes, where that matters.
    pub(super) fn command(&mut self, command: &Command, first: bool) -> Option<Value> {
        match command.name.to_lowercase().as_str() {
            "new-adsyncrule" => Some(self.new_rule(command)),
            "add-adsyncattributeflowmapping" => Some(self.add_flow(command)),
            "add-adsyncscopeconditiongroup" => Some(self.add_scope(command)),
            "add-adsyncjoinconditiongroup" => Some(self.add_joins(command)),
            "new-object" => {
                let made = self.new_object(command);
                if made.is_none() {
                    self.other(command);
                }
                made
            }
            "add-adsyncrule" | "get-adsyncrule" => None,
            _ => {
                if first {
                    self.other(command);
                }
                None
            }
        }
    }

    fn new_rule(&mut self, command: &Command) -> Value {
        if let Some(rule) = self.current.take() {
            self.draft.keep(rule);
        }
        self.made += 1;
        let given = self.given(command, &RULE, 1);
        let unknown_name = given.unknown("Name").map(|unknown| unknown.raw.trim_matches('"').to_owned());
        let name = given.text("Name").or(unknown_name).unwrap_or_default();
        if self.variables.in_block() {
            self.draft
                .remark(command.line, format!("the rule `{name}` is made in a block; it is read as if that ran once"));
        }
        if name.is_empty() {
            self.draft.remark(command.line, "a rule has no name".to_owned());
        }
        self.replaced(&given, "Name", &name, &name);
        let head = self.head(&given, name);
        let rule = self.draft.rule(head);
        self.current = Some(rule);
        self.put_out(&given, &Value::Rule);
        Value::Rule
    }

    fn head(&mut self, given: &Given, name: String) -> Head {
        let guess = match spelling::direction_of_name(&name) {
            super::super::export::Direction::Inbound => "Inbound",
            super::super::export::Direction::Outbound => "Outbound",
        };
        let raw = |parameter: &str| given.unknown(parameter).map(|unknown| unknown.raw).unwrap_or_default();
        let mut said = |parameter: &str, placeholder: &str| {
            self.replaced(given, parameter, &name, placeholder).or_else(|| given.text(parameter))
        };
        Head {
            id: said("Identifier", "").unwrap_or_default(),
            description: said("Description", "").unwrap_or_default(),
            tag: said("ImmutableTag", ""),
            by_reference: false,
            direction: said("Direction", guess),
            disabled: said("Disabled", "False").as_deref().and_then(spelling::truth).unwrap_or(false),
            connector: spelling::guid(&said("Connector", &spelling::guid(&raw("Connector"))).unwrap_or_default()),
            source: said("SourceObjectType", &raw("SourceObjectType")).unwrap_or_default(),
            target: said("TargetObjectType", &raw("TargetObjectType")).unwrap_or_default(),
            link: said("LinkType", "Join"),
            precedence: said("Precedence", &UNKNOWN_PRECEDENCE.to_string()),
            before: said("PrecedenceBefore", ""),
            after: said("PrecedenceAfter", ""),
            soft_delete: said("SoftDeleteExpiryInterval", "0"),
            password_sync: said("EnablePasswordSync", "False").as_deref().and_then(spelling::truth).unwrap_or(false),
            line: given.line,
            name,
        }
    }

    /// What stands for an argument that is not known, after a remark. Nothing where it is known or not there.
    fn replaced(&mut self, given: &Given, parameter: &str, rule: &str, placeholder: &str) -> Option<String> {
        let unknown = given.unknown(parameter)?;
        let stand_in =
            if placeholder.is_empty() { "it is left empty".into() } else { format!("`{placeholder}` stands for it") };
        let text = format!("`-{parameter}` of the rule `{rule}` is {}; {stand_in}", why(&unknown));
        self.draft.remark(given.line, text);
        Some(placeholder.to_owned())
    }

    /// Sets what `-OutVariable` names.
    pub(super) fn put_out(&mut self, given: &Given, value: &Value) {
        if let Some(name) = given.text("OutVariable") {
            self.variables.set(&name, Value::List(vec![value.clone()]));
        }
    }

    fn add_flow(&mut self, command: &Command) -> Value {
        let given = self.given(command, &FLOW, 1);
        let Some(mut rule) = self.current.take() else {
            self.draft.remark(command.line, format!("`{}` stands before any rule and is left out", command.name));
            return Value::Rule;
        };
        let mapping = self.mapping(&given, &rule.name);
        rule.flows.push(self.draft.flow(&rule.name, mapping));
        self.current = Some(rule);
        self.put_out(&given, &Value::Rule);
        Value::Rule
    }

    fn mapping(&mut self, given: &Given, rule: &str) -> Mapping {
        let raw = given.unknown("Destination").map(|unknown| unknown.raw).unwrap_or_default();
        let to =
            self.replaced(given, "Destination", rule, &raw).or_else(|| given.text("Destination")).unwrap_or_default();
        if to.is_empty() {
            self.draft.remark(given.line, format!("a flow of the rule `{rule}` has no `-Destination`"));
        }
        let expression_line = match given.get("Expression") {
            Some(Value::Text(_, line)) if *line > 0 => *line,
            Some(_) | None => given.line,
        };
        let mut mapping = Mapping {
            to,
            kind: given.text("FlowType").unwrap_or_default(),
            sources: given.get("Source").cloned().map(flat).unwrap_or_default().iter().filter_map(shown).collect(),
            constant: given.text("ConstantValue"),
            expression: given.text("Expression").unwrap_or_default(),
            once: self
                .replaced(given, "ExecuteOnce", rule, "False")
                .or_else(|| given.text("ExecuteOnce"))
                .as_deref()
                .and_then(spelling::truth)
                == Some(true),
            merge: self
                .replaced(given, "ValueMergeType", rule, "Update")
                .or_else(|| given.text("ValueMergeType"))
                .unwrap_or_default(),
            line: given.line,
            expression_line,
        };
        if let Some((parameter, unknown)) = flow_unknown(given, &mapping) {
            // What is written there may be a password.
            let secret = spelling::is_secret(&mapping.to);
            let (why, raw) = if secret { ("not plain".into(), "") } else { (why(&unknown), unknown.raw.as_str()) };
            let to = &mapping.to;
            self.draft.remark(
                given.line,
                format!("`-{parameter}` of the flow to `{to}` of the rule `{rule}` is {why}; it fails instead"),
            );
            mapping.kind = "Expression".into();
            mapping.expression = failing(format!("-{parameter} {raw}").trim_end());
            mapping.expression_line = given.line;
        }
        mapping
    }

    /// `$rule.Disabled = $true` after the rule was made.
    pub(super) fn rule_property(&mut self, variable: &str, key: &str, value: &Value, line: usize) {
        let truth = shown(value).as_deref().and_then(spelling::truth);
        match (self.current.as_mut(), key.to_lowercase().as_str(), truth) {
            (Some(rule), "disabled", Some(truth)) => rule.disabled = truth,
            (Some(rule), "enablepasswordsync", Some(truth)) => rule.password_sync = truth,
            _ => self
                .draft
                .remark(line, format!("`${variable}.{key}` is set after the rule was made, which is not followed")),
        }
    }
}

/// The parameter without which the value of a flow is not known.
fn flow_unknown(given: &Given, mapping: &Mapping) -> Option<(&'static str, Unknown)> {
    if let Some(unknown) = given.unknown("Expression") {
        return Some(("Expression", unknown));
    }
    if !mapping.expression.trim().is_empty() {
        return None;
    }
    let source = given.get("Source").cloned().map(flat).unwrap_or_default();
    let source =
        source.iter().find(|value| shown(value).is_none()).map(first_unknown).map(|unknown| ("Source", unknown));
    let constant = given.unknown("ConstantValue").map(|unknown| ("ConstantValue", unknown));
    given.unknown("FlowType").map(|unknown| ("FlowType", unknown)).or(constant).or(source)
}

/// Why a value is not known, for a remark.
pub(super) fn why(unknown: &Unknown) -> String {
    match &unknown.variable {
        Some(variable) if format!("${variable}").eq_ignore_ascii_case(&unknown.raw) => {
            format!("`{}`, a variable that has no plain value here", unknown.raw)
        }
        Some(variable) => format!("`{}`, and the variable `${variable}` has no plain value here", unknown.raw),
        None => format!("`{}`, which only a run would tell", unknown.raw),
    }
}
