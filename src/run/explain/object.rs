//! The story of a whole object: how it is linked, what every rule says of it, what became of it in the targets.

use serde::Serialize;

use super::history::{Past, of_object};
use super::{Explainer, Reason};
use crate::connector_space::{ConnectorObject, ExportState, Link};
use crate::metaverse::MetaverseObject;
use crate::rules::LinkType;
use crate::run::RunError;
use crate::sync::ledger::View;

/// The latest moments that are told.
const MOMENTS: usize = 20;

/// How an object stands.
#[derive(Clone, Debug, Serialize)]
pub struct ObjectStory {
    /// The connector.
    pub connector: String,
    /// `user`, `group`, …
    pub object_type: String,
    /// What a person calls it.
    pub object: String,
    /// Its link.
    pub link: Option<Link>,
    /// What the metaverse object is called.
    pub person: Option<String>,
    /// Why the last synchronisation left it as it was.
    pub error: Option<String>,
    /// The last import did not show it, and nothing proves that it is gone.
    pub missing: bool,
    /// What every rule for its type says, best precedence first.
    pub rules: Vec<RuleStory>,
    /// The other objects of the same metaverse object.
    pub others: Vec<(String, String)>,
    /// Every target that rules lead to from here.
    pub targets: Vec<TargetStory>,
    /// What happened to it and to its metaverse object, the latest first.
    pub history: Vec<Past>,
}

/// What one rule says.
#[derive(Clone, Debug, Serialize)]
pub struct RuleStory {
    /// The rule.
    pub rule: String,
    /// Lower wins.
    pub precedence: i64,
    /// Whether it joins, projects or provisions.
    pub link: LinkType,
    /// Why it does not apply; nothing when it does.
    pub why_not: Option<Reason>,
}

/// What became of it in one target.
#[derive(Clone, Debug, Serialize)]
pub struct TargetStory {
    /// The connector.
    pub connector: String,
    /// The type of the target's objects.
    pub object_type: String,
    /// What it is called there; nothing when it is not there.
    pub object: Option<String>,
    /// How it was linked.
    pub link: Option<Link>,
    /// What waits to be written, or was refused.
    pub waits: Option<String>,
    /// What the rules to this target say.
    pub rules: Vec<RuleStory>,
}

impl Explainer<'_> {
    /// The story of a connector object.
    ///
    /// # Errors
    /// When the store fails, or a rule does.
    pub fn object(&self, object: &ConnectorObject) -> Result<ObjectStory, RunError> {
        let person = match &object.link {
            Some(link) => self.draft.metaverse(link.metaverse)?,
            None => None,
        };
        let mut subjects = vec![object.id.0];
        subjects.extend(person.as_ref().map(|person| person.id.0));
        let error = object.error.as_ref().or(person.as_ref().and_then(|person| person.error.as_ref()));
        let mut story = ObjectStory {
            connector: object.connector.clone(),
            object_type: object.object_type.clone(),
            object: object.title(),
            link: object.link.clone(),
            person: person.as_ref().map(crate::sync::title),
            error: error.map(|error| error.message.clone()),
            missing: object.missing,
            rules: self.inbound_rules(object)?,
            others: Vec::new(),
            targets: Vec::new(),
            history: of_object(&self.draft, &subjects, MOMENTS)?,
        };
        if let Some(person) = &person {
            for (id, connector) in person.links.iter().filter(|(id, _)| *id != object.id) {
                story.others.extend(self.draft.object(*id)?.map(|other| (connector.clone(), other.title())));
            }
            story.targets = self.targets(person)?;
        }
        Ok(story)
    }

    fn inbound_rules(&self, object: &ConnectorObject) -> Result<Vec<RuleStory>, RunError> {
        let input = self.synchronisation.input(&self.draft, object)?;
        let rules = self.session.rules.inbound(&object.connector, &object.object_type);
        let mut stories: Vec<RuleStory> = rules
            .map(|rule| RuleStory {
                rule: rule.name.clone(),
                precedence: rule.header.precedence,
                link: rule.header.link,
                why_not: self.out_of_scope(rule, &input),
            })
            .collect();
        stories.sort_by_key(|story| story.precedence);
        Ok(stories)
    }

    fn targets(&self, person: &MetaverseObject) -> Result<Vec<TargetStory>, RunError> {
        let mut targets: Vec<TargetStory> = Vec::new();
        for (rule, to) in self.session.rules.outbound(&person.object_type) {
            let input = self.synchronisation.outbound_input(person, &to.connector);
            let story = RuleStory {
                rule: rule.name.clone(),
                precedence: rule.header.precedence,
                link: rule.header.link,
                why_not: self.out_of_scope(rule, &input),
            };
            let known =
                targets.iter_mut().find(|known| known.connector == to.connector && known.object_type == to.object_type);
            if let Some(known) = known {
                known.rules.push(story);
                continue;
            }
            let mut target = TargetStory {
                connector: to.connector.clone(),
                object_type: to.object_type.clone(),
                object: None,
                link: None,
                waits: None,
                rules: vec![story],
            };
            for id in person.linked(&to.connector) {
                let Some(object) = self.draft.object(id)? else { continue };
                target.object = Some(object.title());
                target.waits = waiting(&object);
                target.link = object.link;
            }
            targets.push(target);
        }
        Ok(targets)
    }
}

fn waiting(object: &ConnectorObject) -> Option<String> {
    if let Some(why) = object.outbound.held.get(&"*".into()) {
        return Some(format!("never written: {why}"));
    }
    let export = object.export.as_ref()?;
    let names: Vec<String> = export.changes.keys().map(ToString::to_string).collect();
    let what = format!("{:?}", export.operation).to_lowercase();
    Some(match &export.state {
        ExportState::Failed { message, .. } => format!("{what} was refused: {message}"),
        ExportState::Exported => format!("{what} was sent, and no import has shown it yet: {}", names.join(", ")),
        ExportState::InFlight | ExportState::Pending => format!("{what} waits to be sent: {}", names.join(", ")),
    })
}
