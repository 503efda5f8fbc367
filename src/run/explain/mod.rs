//! Why a value is what it is, and why something is not there: backwards from a target through the metaverse to the
//! sources, with what the journal remembers. Reads only.

use std::sync::Arc;

use serde::Serialize;

use crate::connector_space::{ConnectorObject, ExportState};
use crate::metaverse::{Contribution, FlowValue, MetaverseObject};
use crate::rules::{Direction, Host, Input, Rule};
use crate::run::RunError;
use crate::run::session::Session;
use crate::store::Draft;
use crate::sync::ledger::View;
use crate::sync::outbound::OutboundEvaluation;
use crate::sync::precedence::{self, Winner};
use crate::sync::{Sources, Synchronisation, Targets};
use crate::value::{AttributeName, Value};

mod history;
mod object;

pub use history::Past;
use history::of_attribute;
pub use object::{ObjectStory, RuleStory, TargetStory};

/// How many references are named.
const REFERENCES: usize = 20;

/// How one value came about.
#[derive(Clone, Debug, Serialize)]
pub struct Story {
    /// The connector, or `metaverse`.
    pub connector: String,
    /// `user`, `person`, …
    pub object_type: String,
    /// What a person calls the object.
    pub object: String,
    /// The attribute.
    pub attribute: String,
    /// What it holds.
    pub values: Vec<String>,
    /// The rule that gave it; nothing where a directory did.
    pub from: Option<Origin>,
    /// Rules that gave something else and lost.
    pub losers: Vec<Loser>,
    /// Where nobody gave a value: every rule that could have, and why it did not.
    pub why_not: Vec<Reason>,
    /// What stands between this value and the directory: pending, refused, held.
    pub waits: Option<String>,
    /// What it is made of.
    pub parts: Vec<Story>,
    /// What it was before, the latest first. The last entry is the first that was ever seen of the object.
    pub history: Vec<Past>,
}

/// Where in the rules a value is from.
#[derive(Clone, Debug, Serialize)]
pub struct Origin {
    /// The rule.
    pub rule: String,
    /// Its line.
    pub line: u32,
    /// The text that gives the value.
    pub text: String,
}

/// A value that did not win.
#[derive(Clone, Debug, Serialize)]
pub struct Loser {
    /// The rule.
    pub rule: String,
    /// Its line.
    pub line: u32,
    /// What it said.
    pub value: String,
    /// Its precedence; lower wins.
    pub precedence: i64,
}

/// Why a rule gave nothing.
#[derive(Clone, Debug, Serialize)]
pub struct Reason {
    /// The rule.
    pub rule: Option<String>,
    /// The line of the clause that said no.
    pub line: Option<u32>,
    /// What it says, or what is missing, in words.
    pub text: String,
    /// What it read.
    pub reads: Vec<(String, Vec<String>)>,
    /// It applies, and gave nothing all the same.
    pub in_scope: bool,
}

/// What an explanation needs: the stored state, the rules, one worker.
pub struct Explainer<'a> {
    pub(super) session: &'a Session,
    /// Reads what is stored.
    pub draft: Draft<'a>,
    pub(super) synchronisation: Synchronisation<'a>,
}

impl<'a> Explainer<'a> {
    /// Over what is stored now.
    pub fn new(session: &'a Session, sources: &'a Sources, targets: &'a Targets) -> Explainer<'a> {
        let synchronisation =
            Synchronisation::new(&session.rules, sources, targets, &session.orders, 1).at(session.now);
        Explainer { session, draft: session.store.draft(), synchronisation }
    }

    /// The story of one attribute of a connector object.
    ///
    /// # Errors
    /// When the store fails, or a rule does.
    pub fn attribute(&self, object: &ConnectorObject, attribute: &AttributeName) -> Result<Story, RunError> {
        let mut story = Story {
            connector: object.connector.clone(),
            object_type: object.object_type.clone(),
            object: object.title(),
            attribute: attribute.to_string(),
            values: self.values(object, attribute)?,
            from: None,
            losers: Vec::new(),
            why_not: Vec::new(),
            waits: waits(object, attribute),
            parts: Vec::new(),
            history: of_attribute(&self.draft, object.id.0, attribute)?,
        };
        let Some(link) = object.link.as_ref().filter(|link| link.kind.is_outbound()) else { return Ok(story) };
        let Some(person) = self.draft.metaverse(link.metaverse)? else { return Ok(story) };
        let evaluations = self.outbound(&person)?;
        let fits = |evaluation: &&OutboundEvaluation| {
            evaluation.to.connector == object.connector
                && evaluation.to.object_type.eq_ignore_ascii_case(&object.object_type)
        };
        let evaluation = evaluations.iter().find(fits);
        let list = evaluation.and_then(|evaluation| evaluation.flows.get(attribute)).map_or(&[][..], Vec::as_slice);
        let reads = self.told_by(&mut story, list, attribute);
        if story.from.is_none() {
            story.why_not = self.outbound_reasons(object, &person, attribute)?;
        }
        for name in reads.into_iter().chain(self.silent_reads(&story.why_not, attribute)) {
            story.parts.push(self.metaverse(&person, &name)?);
        }
        Ok(story)
    }

    /// The story of one attribute of a metaverse object.
    ///
    /// # Errors
    /// As [`Explainer::attribute`].
    pub fn metaverse(&self, person: &MetaverseObject, attribute: &AttributeName) -> Result<Story, RunError> {
        let list = person.contributions.get(attribute).map_or(&[][..], Vec::as_slice);
        let mut story = Story {
            connector: "metaverse".into(),
            object_type: person.object_type.clone(),
            object: crate::sync::title(person),
            attribute: attribute.to_string(),
            values: texts(&precedence::values(list)),
            from: None,
            losers: Vec::new(),
            why_not: Vec::new(),
            waits: None,
            parts: Vec::new(),
            history: of_attribute(&self.draft, person.id.0, attribute)?,
        };
        let reads = self.told_by(&mut story, list, attribute);
        if let Some(source) = winner(list).map(|winner| winner.object) {
            if let Some(object) = self.draft.object(source)? {
                for name in reads {
                    story.parts.push(self.attribute(&object, &name)?);
                }
            }
        } else {
            story.why_not = self.inbound_reasons(person, attribute)?;
        }
        Ok(story)
    }

    /// What a directory shows: values, or the names of those who are referred to.
    fn values(&self, object: &ConnectorObject, attribute: &AttributeName) -> Result<Vec<String>, RunError> {
        let mut values = texts(object.image.get(attribute).map_or(&[], Vec::as_slice));
        let edges = self.draft.edges(object.id, attribute)?;
        for (to, _) in edges.iter().filter(|(_, edge)| edge.seen).take(REFERENCES) {
            values.push(self.draft.object(*to)?.map_or_else(|| format!("somebody unknown ({to})"), |to| to.title()));
        }
        if edges.len() > REFERENCES {
            values.push(format!("… {} in all", edges.len()));
        }
        Ok(values)
    }

    /// Fills in who won and who lost, and gives what the winner is made of.
    fn told_by(&self, story: &mut Story, list: &[Contribution], attribute: &AttributeName) -> Vec<AttributeName> {
        let Some(winner) = winner(list) else { return Vec::new() };
        if story.values.is_empty() && !matches!(winner.value, FlowValue::Absent) {
            story.values = flow_texts(&winner.value);
        }
        let rule = self.session.rules.rule(&winner.rule);
        let text = rule.and_then(|rule| rule.source_of(attribute)).unwrap_or_default();
        story.from = Some(Origin { rule: winner.rule.to_string(), line: winner.line, text });
        let others = list.iter().filter(|other| (&other.rule, other.object) != (&winner.rule, winner.object));
        let others = others.filter(|other| !matches!(other.value, FlowValue::Nothing | FlowValue::Keep));
        story.losers = others
            .map(|other| Loser {
                rule: other.rule.to_string(),
                line: other.line,
                value: other.value.to_string(),
                precedence: other.precedence,
            })
            .collect();
        rule.and_then(|rule| rule.footprint.sources.get(attribute)).into_iter().flatten().cloned().collect()
    }

    pub(super) fn outbound(&self, person: &MetaverseObject) -> Result<Vec<OutboundEvaluation>, RunError> {
        let evaluated = self.host().map(|host| self.synchronisation.evaluate_outbound(host, person));
        evaluated.unwrap_or_else(|| Ok(Vec::new())).map_err(|error| RunError::Unknown(error.to_string()))
    }

    pub(super) fn host(&self) -> Option<&Host> {
        self.synchronisation.host()
    }

    /// What rules read that are in scope and gave nothing all the same.
    fn silent_reads(&self, reasons: &[Reason], attribute: &AttributeName) -> Vec<AttributeName> {
        let silent = reasons.iter().filter(|reason| reason.in_scope).filter_map(|reason| reason.rule.as_ref());
        let rules = silent.filter_map(|name| self.session.rules.rule(name));
        rules.filter_map(|rule| rule.footprint.sources.get(attribute)).flatten().cloned().collect()
    }

    /// What the outbound rules that could write an attribute say of a person.
    fn outbound_reasons(
        &self,
        object: &ConnectorObject,
        person: &MetaverseObject,
        attribute: &AttributeName,
    ) -> Result<Vec<Reason>, RunError> {
        let input = self.synchronisation.outbound_input(person, &object.connector);
        let mut reasons = Vec::new();
        for (rule, to) in self.session.rules.outbound(&person.object_type) {
            let here = to.connector == object.connector && to.object_type.eq_ignore_ascii_case(&object.object_type);
            if here && rule.footprint.writes.contains_key(attribute) {
                reasons.push(self.silence(rule, &input, attribute));
            }
        }
        if reasons.is_empty() {
            let text = format!("no rule writes `{attribute}` to `{}/{}`", object.connector, object.object_type);
            reasons.push(Reason { rule: None, line: None, text, reads: Vec::new(), in_scope: false });
        }
        Ok(reasons)
    }

    /// What the inbound rules that could write an attribute say of a person's objects.
    fn inbound_reasons(&self, person: &MetaverseObject, attribute: &AttributeName) -> Result<Vec<Reason>, RunError> {
        let mut reasons = Vec::new();
        for rule in self.session.rules.rules() {
            let Direction::Inbound { from, to } = &rule.header.direction else { continue };
            let fits = to.as_ref().is_none_or(|to| *to == person.object_type);
            if !fits || !rule.footprint.writes.contains_key(attribute) {
                continue;
            }
            let mut asked = false;
            for (id, connector) in &person.links {
                let Some(object) = self.draft.object(*id)? else { continue };
                if from.iter().any(|from| {
                    from.connector == *connector && from.object_type.eq_ignore_ascii_case(&object.object_type)
                }) {
                    asked = true;
                    let input = self.synchronisation.input(&self.draft, &object)?;
                    reasons.push(self.silence(rule, &input, attribute));
                }
            }
            if !asked {
                let sides: Vec<String> =
                    from.iter().map(|from| format!("{}/{}", from.connector, from.object_type)).collect();
                let text = format!("reads from {}, and no such object is linked", sides.join(", "));
                reasons.push(Reason {
                    rule: Some(rule.name.clone()),
                    line: None,
                    text,
                    reads: Vec::new(),
                    in_scope: false,
                });
            }
        }
        if reasons.is_empty() {
            let text = format!("no rule writes the metaverse attribute `{attribute}`");
            reasons.push(Reason { rule: None, line: None, text, reads: Vec::new(), in_scope: false });
        }
        Ok(reasons)
    }

    /// Why a rule gives nothing for an attribute: the clause of `scope` that said no, or what it found empty.
    fn silence(&self, rule: &Rule, input: &Arc<Input>, attribute: &AttributeName) -> Reason {
        if let Some(reason) = self.out_of_scope(rule, input) {
            return reason;
        }
        let reads = rule.footprint.sources.get(attribute).into_iter().flatten();
        let reads = reads
            .map(|name| (name.to_string(), texts(input.attributes.get(name).map_or(&[], Vec::as_slice))))
            .collect();
        Reason {
            rule: Some(rule.name.clone()),
            line: rule.footprint.writes.get(attribute).copied(),
            text: format!("gives nothing: {}", rule.source_of(attribute).unwrap_or_default()),
            reads,
            in_scope: true,
        }
    }

    /// Why an object is not in the scope of a rule; nothing when it is.
    pub(super) fn out_of_scope(&self, rule: &Rule, input: &Arc<Input>) -> Option<Reason> {
        let host = self.host()?;
        let (line, text, reads) = match host.scope(rule, input) {
            Ok(true) => return None,
            Ok(false) => match host.why_not(rule, input) {
                Some(clause) => (Some(clause.line), clause.text, clause.reads),
                None => (None, "`scope` says no".to_owned(), Vec::new()),
            },
            Err(error) => (error.line, error.message, Vec::new()),
        };
        let reads = reads.into_iter().map(|(name, values)| (name.to_string(), texts(&values))).collect();
        Some(Reason {
            rule: Some(rule.name.clone()),
            line,
            text: format!("out of scope: {text}"),
            reads,
            in_scope: false,
        })
    }
}

fn winner(list: &[Contribution]) -> Option<&Contribution> {
    match precedence::decide(list) {
        Ok(Winner::Nobody | Winner::Keep) | Err(_) => None,
        Ok(
            Winner::Absent(by)
            | Winner::Value(by, _)
            | Winner::References(by, _)
            | Winner::Once(by, _)
            | Winner::Seed(by, _),
        ) => Some(by),
    }
}

/// What stands between what is wished and what is there.
pub(super) fn waits(object: &ConnectorObject, attribute: &AttributeName) -> Option<String> {
    if let Some(why) = object.outbound.held.get(attribute).or_else(|| object.outbound.held.get(&"*".into())) {
        return Some(format!("held: {why}"));
    }
    let export = object.export.as_ref()?;
    let change = export.changes.get(attribute)?;
    let wish = match change.values.as_slice() {
        [] => "no value".to_owned(),
        values => texts(values).join(" | "),
    };
    Some(match &export.state {
        ExportState::Failed { message, .. } => format!("{wish} was refused: {message}"),
        ExportState::Exported if change.sent => format!("{wish} was sent, and no import has shown it yet"),
        ExportState::InFlight => format!("{wish} was being sent when the run broke off"),
        ExportState::Pending | ExportState::Exported => format!("{wish} waits to be sent"),
    })
}

fn texts(values: &[Value]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

fn flow_texts(value: &FlowValue) -> Vec<String> {
    match value {
        FlowValue::References(_) => vec![value.to_string()],
        other => texts(other.values()),
    }
}
