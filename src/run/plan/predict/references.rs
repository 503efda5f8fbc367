//! References that a target would refuse: to an object of the wrong kind, too many, or to one that would not be there.

use std::collections::{BTreeMap, BTreeSet};

use crate::connector::target::TargetKind;
use crate::connector_space::ObjectId;
use crate::run::RunError;
use crate::run::plan::{PlanLine, PlannedReferences};
use crate::store::Draft;
use crate::sync::ledger::View;
use crate::value::{AttributeName, Attributes};

/// How many ids are read at a time.
const STRETCH: usize = 5_000;

/// What would become of references.
pub(in crate::run::plan) enum Trouble {
    /// So many would be refused, and why.
    Refused(usize, String),
    /// One would not be sent before another object is there.
    Waits(String),
}

/// Looks at the references that wait for one target.
pub(in crate::run::plan) struct References<'a, 's> {
    draft: &'a Draft<'s>,
    kind: TargetKind,
    /// Groups: only references from or to one of them may be of the wrong kind.
    groups: BTreeSet<ObjectId>,
    /// What the groups that were met are like, and would be.
    images: BTreeMap<ObjectId, Attributes>,
    /// Objects that would not be made.
    unmade: BTreeSet<ObjectId>,
}

impl<'a, 's> References<'a, 's> {
    /// Knows what is said of the objects already.
    pub(in crate::run::plan) fn new(
        draft: &'a Draft<'s>,
        connector: &str,
        kind: TargetKind,
        lines: &[PlanLine],
    ) -> Result<Self, RunError> {
        let mut unmade = BTreeSet::new();
        for line in lines.iter().filter(|line| line.kind == "refused") {
            if draft.object(line.id)?.is_some_and(|object| object.anchor.is_none()) {
                unmade.insert(line.id);
            }
        }
        let mut groups = BTreeSet::new();
        let mut after = None;
        loop {
            let ids = draft.population(connector, "group", after, STRETCH)?;
            groups.extend(ids.iter().copied());
            match ids.last() {
                Some(last) => after = Some(*last),
                None => break,
            }
        }
        Ok(References { draft, kind, groups, images: BTreeMap::new(), unmade })
    }

    /// What would become of one reference, if it would not be taken.
    pub(in crate::run::plan) fn at(
        &mut self,
        from: ObjectId,
        attribute: &AttributeName,
        to: ObjectId,
        adds: bool,
    ) -> Result<Option<Trouble>, RunError> {
        if !adds {
            return Ok(None);
        }
        if self.unmade.contains(&to) {
            let name = self.draft.object(to)?.map_or_else(|| to.to_string(), |object| object.title());
            return Ok(Some(Trouble::Waits(format!("`{name}` would not be there"))));
        }
        if !self.groups.contains(&to) {
            return Ok(None);
        }
        let (from_type, to_type) = (self.type_of(from), self.type_of(to));
        let (image, other) = (self.image(from)?, self.image(to)?);
        let why = self.kind.validate_reference((from_type, &image), attribute, (to_type, &other));
        Ok(why.map(|why| Trouble::Refused(1, why.to_owned())))
    }

    fn type_of(&self, id: ObjectId) -> &'static str {
        if self.groups.contains(&id) { "group" } else { "user" }
    }

    /// What a group would be like; of others nothing is asked.
    fn image(&mut self, id: ObjectId) -> Result<Attributes, RunError> {
        if !self.groups.contains(&id) {
            return Ok(Attributes::new());
        }
        if let Some(known) = self.images.get(&id) {
            return Ok(known.clone());
        }
        let image = self.draft.object(id)?.map(|object| object.expected()).unwrap_or_default();
        self.images.insert(id, image.clone());
        Ok(image)
    }

    /// How many references of an attribute are too many, and why.
    pub(in crate::run::plan) fn too_many(
        &self,
        from: ObjectId,
        attribute: &AttributeName,
        planned: &PlannedReferences,
    ) -> Result<Option<Trouble>, RunError> {
        let Some(most) = self.kind.most_references(self.type_of(from), attribute) else { return Ok(None) };
        let there = self.draft.edges(from, attribute)?.iter().filter(|(_, edge)| edge.seen).count();
        let wanted = (there + planned.added).saturating_sub(planned.removed + planned.refused + planned.waiting);
        let why = || format!("`{attribute}` would have {wanted} references; the target takes {most}");
        Ok((wanted > most).then(|| Trouble::Refused(wanted - most, why())))
    }
}
