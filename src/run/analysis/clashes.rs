//! Where two rules say different things about one attribute of one object. One of them always wins; whether that is meant,
//! nobody can see in the rules alone.

use std::collections::{BTreeMap, BTreeSet};

use super::{Answers, Counted, shown};
use crate::diagnostic::Diagnostic;
use crate::metaverse::{Contribution, FlowValue, MetaverseId};
use crate::rules::{Rule, RuleSet};
use crate::run::RunError;
use crate::run::thousands;
use crate::store::Draft;
use crate::sync::ledger::View;
use crate::sync::name;
use crate::value::{AttributeName, Value, Values, same_values};

/// Everything in which rules contradict each other.
#[derive(Default)]
pub(super) struct Clashes(BTreeMap<Meeting, Clash>);

/// Where two rules meet, and which of them wins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Meeting {
    /// `metaverse/person`, `entra/user`.
    place: String,
    attribute: AttributeName,
    winner: String,
    loser: String,
}

/// What was seen where two rules meet.
#[derive(Default)]
struct Clash {
    /// Both gave the same.
    agreed: u64,
    /// They gave other values.
    differed: Seen,
    /// They gave the same values in another order.
    reordered: Seen,
}

/// How often something was seen, and the first time.
#[derive(Default)]
struct Seen {
    count: u64,
    sample: Option<Sample>,
}

struct Sample {
    /// Whose attribute it is.
    name: String,
    winner: Said,
    loser: Said,
}

/// What one of two rules said.
struct Said {
    value: String,
    precedence: i64,
    /// The place of its connector in the configuration.
    order: u16,
}

impl Clashes {
    /// Takes in what the rules said about some.
    pub(super) fn add(&mut self, draft: &Draft<'_>, answers: &Answers) -> Result<(), RunError> {
        for (person, evaluations) in answers.outbound.values() {
            let place = format!("metaverse/{}", person.object_type);
            let named = || name(person);
            self.compare(draft, &place, &person.contributions, &named)?;
            for evaluation in evaluations {
                let place = format!("{}/{}", evaluation.to.connector, evaluation.to.object_type);
                self.compare(draft, &place, &evaluation.flows, &named)?;
            }
        }
        Ok(())
    }

    fn compare(
        &mut self,
        draft: &Draft<'_>,
        place: &str,
        contributions: &BTreeMap<AttributeName, Vec<Contribution>>,
        named: &impl Fn() -> String,
    ) -> Result<(), RunError> {
        for (attribute, list) in contributions.iter().filter(|(_, list)| list.len() > 1) {
            let mut speaking = list.iter().filter(|contribution| speaks(&contribution.value));
            let Some(winner) = speaking.next().filter(|winner| winner.value != FlowValue::Absent) else { continue };
            for loser in speaking.filter(|loser| loser.value != FlowValue::Absent) {
                let meeting = Meeting {
                    place: place.to_owned(),
                    attribute: attribute.clone(),
                    winner: winner.rule.to_string(),
                    loser: loser.rule.to_string(),
                };
                let clash = self.0.entry(meeting).or_default();
                let (ours, theirs) = (values(draft, winner)?, values(draft, loser)?);
                let seen = match (ours == theirs, same_values(&ours, &theirs)) {
                    (true, _) => {
                        clash.agreed += 1;
                        continue;
                    }
                    (false, true) => &mut clash.reordered,
                    (false, false) => &mut clash.differed,
                };
                seen.count += 1;
                if seen.sample.is_none() {
                    seen.sample =
                        Some(Sample { name: named(), winner: said(winner, &ours), loser: said(loser, &theirs) });
                }
            }
        }
        Ok(())
    }

    /// What is wrong, rule by rule.
    pub(super) fn findings(&self, rules: &RuleSet, orders: &BTreeMap<String, u16>) -> Counted {
        let mut found = Counted::new();
        for (meeting, clash) in &self.0 {
            let (Some(winner), Some(loser)) = (rules.rule(&meeting.winner), rules.rule(&meeting.loser)) else {
                continue;
            };
            let both = Both { meeting, winner, loser, orders };
            if let Some(sample) = &clash.differed.sample {
                found.push((clash.differed.count, both.differ(clash, sample)));
            }
            if let Some(sample) = &clash.reordered.sample {
                found.push((clash.reordered.count, both.reorder(clash.reordered.count, sample)));
            }
        }
        found
    }
}

/// Whether a rule has anything to say. Merges add up, so that none of them loses.
fn speaks(value: &FlowValue) -> bool {
    match value {
        FlowValue::Nothing | FlowValue::Keep | FlowValue::Merge(_) => false,
        FlowValue::One(_)
        | FlowValue::List(_)
        | FlowValue::Absent
        | FlowValue::Once(_)
        | FlowValue::Seed(_)
        | FlowValue::References(_)
        | FlowValue::Unique(_) => true,
    }
}

/// The values of a contribution; of references, the names of those that they lead to.
fn values(draft: &Draft<'_>, contribution: &Contribution) -> Result<Values, RunError> {
    let FlowValue::References(attribute) = &contribution.value else { return Ok(contribution.value.values().to_vec()) };
    let mut people: BTreeSet<MetaverseId> = BTreeSet::new();
    for (to, edge) in draft.edges(contribution.object, attribute)? {
        if edge.seen {
            people.extend(draft.person_of(to)?);
        }
    }
    let mut names = Values::new();
    for id in people {
        let named = draft.metaverse(id)?.map_or_else(|| id.to_string(), |person| name(&person));
        names.push(Value::Text(named));
    }
    Ok(names)
}

fn said(contribution: &Contribution, values: &[Value]) -> Said {
    Said { value: shown(values), precedence: contribution.precedence, order: contribution.order }
}

/// Two rules that meet.
struct Both<'f> {
    meeting: &'f Meeting,
    winner: &'f Rule,
    loser: &'f Rule,
    orders: &'f BTreeMap<String, u16>,
}

impl Both<'_> {
    fn differ(&self, clash: &Clash, sample: &Sample) -> Diagnostic {
        let Meeting { place, attribute, winner, loser } = self.meeting;
        let objects = format!("{} {place}", thousands(clash.differed.count));
        let finding = if sample.winner.precedence != sample.loser.precedence {
            let message =
                format!("`{loser}` gives `{attribute}` of {objects} another value than `{winner}`, which wins");
            Diagnostic::warning("W310", message).hint(
                "if one stands in for the other, let it give `()` where the other speaks; if it is meant, leave it",
            )
        } else {
            let message = match self.by(sample) {
                By::Connector(first, second) => {
                    format!(
                        "`{attribute}` of {objects} is what `{first}` says and not `{second}`, for it stands first in the configuration"
                    )
                }
                By::Name => format!(
                    "`{attribute}` of {objects} is what `{winner}` says and not `{loser}`, for its name sorts first"
                ),
            };
            Diagnostic::warning("W311", message).hint("say with `precedence` who knows it better")
        };
        let finding = self.beside(finding, sample);
        match clash.agreed {
            0 => finding,
            agreed => finding.note(format!("for {} others both give the same", thousands(agreed))),
        }
    }

    fn reorder(&self, count: u64, sample: &Sample) -> Diagnostic {
        let Meeting { place, attribute, winner, loser } = self.meeting;
        let message = format!(
            "`{loser}` gives `{attribute}` of {} {place} the same values as `{winner}`, in another order",
            thousands(count)
        );
        let finding = Diagnostic::warning("W312", message);
        self.beside(finding, sample)
            .hint("directories keep no order; where `first(…)` is taken of them, the order decides")
    }

    /// Points at the line that loses, and shows what both say.
    fn beside(&self, finding: Diagnostic, sample: &Sample) -> Diagnostic {
        let attribute = &self.meeting.attribute;
        let line = |rule: &Rule| format!("{}:{}", rule.name, rule.footprint.writes.get(attribute).unwrap_or(&1));
        let from = |rule: &Rule, said: &Said| match self.by(sample) {
            By::Connector(..) if self.winner.name == self.loser.name => {
                format!("from `{}`", self.connector(said.order).unwrap_or_default())
            }
            By::Connector(..) | By::Name => format!("{} with {}", line(rule), said.precedence),
        };
        finding.at(&self.loser.source, self.loser.written_at(attribute)).note(format!(
            "`{}`: {} ({}) wins over {} ({})",
            sample.name,
            sample.winner.value,
            from(self.winner, &sample.winner),
            sample.loser.value,
            from(self.loser, &sample.loser),
        ))
    }

    /// What decides between two contributions of one precedence.
    fn by(&self, sample: &Sample) -> By<'_> {
        let connectors = self.connector(sample.winner.order).zip(self.connector(sample.loser.order));
        match connectors {
            Some((first, second)) if first != second => By::Connector(first, second),
            Some(_) | None => By::Name,
        }
    }

    /// The connector at a place of the configuration. Contributions to a target have none.
    fn connector(&self, order: u16) -> Option<&str> {
        let inbound = self.meeting.place.starts_with("metaverse/");
        let mut names = self.orders.iter().filter(|(_, at)| inbound && **at == order);
        names.next().map(|(name, _)| name.as_str())
    }
}

/// Who decides between two rules that have the same precedence.
enum By<'f> {
    /// The places of their connectors in the configuration.
    Connector(&'f str, &'f str),
    /// Their names.
    Name,
}
