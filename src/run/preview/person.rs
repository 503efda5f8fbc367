//! A metaverse object before and after, attribute by attribute, with winners and losers.

use std::collections::BTreeSet;

use super::shown::{both_references, seen, texts};
use super::{AttributeTrace, Fate, Origin, PersonTrace};
use crate::connector_space::ObjectId;
use crate::metaverse::{Contribution, FlowValue, MetaverseObject};
use crate::rules::RuleSet;
use crate::sync::ledger::{LedgerError, View};
use crate::sync::precedence::{self, Winner};
use crate::sync::title;
use crate::value::AttributeName;

/// A ledger and what it says about the metaverse object.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) view: &'a dyn View,
    pub(super) person: Option<&'a MetaverseObject>,
}

/// Compares both sides. Nothing when neither has the object. Only what comes from other objects than `only` is named.
pub(super) fn person(
    rules: &RuleSet,
    now: Side<'_>,
    after: Side<'_>,
    only: Option<ObjectId>,
) -> Result<Option<PersonTrace>, LedgerError> {
    let Some(someone) = after.person.or(now.person) else { return Ok(None) };
    let names: BTreeSet<&AttributeName> =
        [now.person, after.person].into_iter().flatten().flat_map(|person| person.contributions.keys()).collect();
    let mut attributes = Vec::with_capacity(names.len());
    for name in names {
        attributes.push(attribute(rules, now, after, name, only)?);
    }
    let mut others = Vec::new();
    for (id, connector) in someone.links.iter().filter(|(id, _)| Some(*id) != only) {
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
    only: Option<ObjectId>,
) -> Result<AttributeTrace, LedgerError> {
    let list = contributions(after.person, name);
    let (winners, losers) = winners(list);
    let origin = |contribution: &&Contribution| origin(rules, after.view, name, contribution, only);
    let (before, later) = outcomes(now, after, name)?;
    Ok(AttributeTrace {
        attribute: name.to_string(),
        now: before,
        after: later,
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
    only: Option<ObjectId>,
) -> Result<Origin, LedgerError> {
    let values = texts(name, contribution.value.values());
    let object = match only {
        Some(only) if only == contribution.object => None,
        Some(_) | None => {
            view.object(contribution.object)?.map(|object| format!("{} {}", object.connector, object.title()))
        }
    };
    Ok(Origin {
        rule: contribution.rule.to_string(),
        line: contribution.line,
        source: rules.rule(&contribution.rule).and_then(|rule| rule.source_of(name)).unwrap_or_default(),
        value: if values.is_empty() { contribution.value.to_string() } else { values.join(" | ") },
        object,
    })
}

/// What an attribute comes to on both sides: its values, or what it refers to.
fn outcomes(now: Side<'_>, after: Side<'_>, name: &AttributeName) -> Result<(Vec<String>, Vec<String>), LedgerError> {
    match (references(now, name)?, references(after, name)?) {
        (None, None) => {
            let values = |side: Side<'_>| texts(name, &precedence::values(contributions(side.person, name)));
            Ok((values(now), values(after)))
        }
        (there, then) => {
            both_references((now.view, &there.unwrap_or_default()), (after.view, &then.unwrap_or_default()))
        }
    }
}

/// The objects that an attribute refers to; nothing for one that holds values.
fn references(side: Side<'_>, name: &AttributeName) -> Result<Option<BTreeSet<ObjectId>>, LedgerError> {
    match precedence::reference_source(contributions(side.person, name)) {
        Some((source, attribute)) => seen(side.view, source, &attribute).map(Some),
        None => Ok(None),
    }
}
