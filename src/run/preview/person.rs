//! A metaverse object before and after, attribute by attribute, with winners and losers.

use std::collections::BTreeSet;

use super::shown::texts;
use super::{AttributeTrace, Fate, Origin, PersonTrace};
use crate::connector_space::ObjectId;
use crate::metaverse::{Contribution, FlowValue, MetaverseObject};
use crate::rules::RuleSet;
use crate::sync::ledger::{LedgerError, View};
use crate::sync::precedence::{self, Winner};
use crate::sync::title;
use crate::value::AttributeName;

/// More references than this are counted, not named.
const NAMED: usize = 5;

/// A ledger and what it says about the metaverse object.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) view: &'a dyn View,
    pub(super) person: Option<&'a MetaverseObject>,
}

/// Compares both sides. Nothing when neither has the object.
pub(super) fn person(
    rules: &RuleSet,
    now: Side<'_>,
    after: Side<'_>,
    subject: Option<ObjectId>,
) -> Result<Option<PersonTrace>, LedgerError> {
    let Some(someone) = after.person.or(now.person) else { return Ok(None) };
    let names: BTreeSet<&AttributeName> =
        [now.person, after.person].into_iter().flatten().flat_map(|person| person.contributions.keys()).collect();
    let mut attributes = Vec::with_capacity(names.len());
    for name in names {
        attributes.push(attribute(rules, now, after, name, subject)?);
    }
    let mut others = Vec::new();
    for (id, connector) in someone.links.iter().filter(|(id, _)| Some(*id) != subject) {
        let object =
            after.view.object(*id)?.filter(|object| object.link.as_ref().is_some_and(|link| !link.kind.is_outbound()));
        others.extend(object.map(|object| format!("{connector} {}", object.title())));
    }
    let fate = match (now.person, after.person) {
        (None, _) => Fate::New,
        (Some(_), Some(_)) => Fate::Stays,
        (Some(_), None) => Fate::Ends,
    };
    Ok(Some(PersonTrace {
        id: someone.id.to_string(),
        object_type: someone.object_type.clone(),
        name: title(someone),
        fate,
        attributes,
        others,
    }))
}

fn attribute(
    rules: &RuleSet,
    now: Side<'_>,
    after: Side<'_>,
    name: &AttributeName,
    subject: Option<ObjectId>,
) -> Result<AttributeTrace, LedgerError> {
    let list = contributions(after.person, name);
    let (winners, losers) = winners(list);
    let origin = |contribution: &&Contribution| origin(rules, after.view, name, contribution, subject);
    Ok(AttributeTrace {
        attribute: name.to_string(),
        now: outcome(now, name)?,
        after: outcome(after, name)?,
        from: winners.iter().map(origin).collect::<Result<_, _>>()?,
        beats: losers.iter().map(origin).collect::<Result<_, _>>()?,
    })
}

fn contributions<'a>(person: Option<&'a MetaverseObject>, name: &AttributeName) -> &'a [Contribution] {
    person.and_then(|person| person.contributions.get(name)).map_or(&[][..], Vec::as_slice)
}

/// Who gives the value, and who would have given another.
fn winners(list: &[Contribution]) -> (Vec<&Contribution>, Vec<&Contribution>) {
    let best = match precedence::decide(list) {
        Ok(Winner::Absent(by) | Winner::References(by, _) | Winner::Once(by, _) | Winner::Seed(by, _)) => Some(by),
        Ok(Winner::Value(by, _)) => Some(by),
        Ok(Winner::Nobody | Winner::Keep) | Err(_) => None,
    };
    let Some(best) = best else { return (Vec::new(), list.iter().collect()) };
    let merges = matches!(best.value, FlowValue::Merge(_));
    list.iter().partition(|one| std::ptr::eq(*one, best) || (merges && matches!(one.value, FlowValue::Merge(_))))
}

fn origin(
    rules: &RuleSet,
    view: &dyn View,
    name: &AttributeName,
    contribution: &Contribution,
    subject: Option<ObjectId>,
) -> Result<Origin, LedgerError> {
    let values = texts(name, contribution.value.values());
    let object = match subject {
        Some(subject) if subject == contribution.object => None,
        Some(_) | None => {
            view.object(contribution.object)?.map(|object| format!("{} {}", object.connector, object.title()))
        }
    };
    Ok(Origin {
        rule: contribution.rule.clone(),
        line: contribution.line,
        source: rules.rule(&contribution.rule).and_then(|rule| rule.source_of(name)).unwrap_or_default(),
        value: if values.is_empty() { contribution.value.to_string() } else { values.join(" | ") },
        object,
    })
}

/// What an attribute comes to: its values, or the names of what it refers to.
fn outcome(side: Side<'_>, name: &AttributeName) -> Result<Vec<String>, LedgerError> {
    let list = contributions(side.person, name);
    let Some((source, attribute)) = precedence::reference_source(list) else {
        return Ok(texts(name, &precedence::values(list)));
    };
    let edges = side.view.edges(source, &attribute)?;
    let mut names = Vec::new();
    let seen = edges.iter().filter(|(_, edge)| edge.seen);
    let count = seen.clone().count();
    for (to, _) in seen.take(NAMED) {
        names.push(side.view.object(*to)?.map_or_else(|| "(something not imported)".to_owned(), |to| to.title()));
    }
    if count > NAMED {
        names.push(format!("and {} more", count - NAMED));
    }
    Ok(names)
}
