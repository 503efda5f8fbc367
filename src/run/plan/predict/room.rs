//! Objects that a target has no room for: those beyond what is left of its quota, in the order in which they are sent.

use std::collections::{BTreeMap, BTreeSet};

use super::Predictor;
use crate::connector::Quota;
use crate::connector_space::ObjectId;
use crate::run::RunError;
use crate::run::plan::TargetPlan;
use crate::run::waves;

/// Says of creations that there is no room for them. A run sends the first of them, and waits with the others.
pub(in crate::run::plan) fn leave_out(
    plan: &mut TargetPlan,
    predictor: &Predictor<'_, '_>,
    quota: Option<Quota>,
) -> Result<(), RunError> {
    let Some(quota) = quota else { return Ok(()) };
    let room = usize::try_from(quota.left()).unwrap_or(usize::MAX);
    if plan.create <= room {
        return Ok(());
    }
    let ids = |kinds: &[&str]| -> Vec<ObjectId> {
        plan.lines.iter().filter(|line| kinds.contains(&line.kind)).map(|line| line.id).collect()
    };
    let stuck: BTreeSet<ObjectId> = ids(&["refused"]).into_iter().collect();
    let due = ids(&["create", "update", "disable"]);
    let waves = waves::order(predictor.draft, predictor.kind, due, Vec::new(), (&stuck, None))?.waves;
    let places: BTreeMap<ObjectId, usize> = waves.into_iter().flatten().enumerate().map(|(at, id)| (id, at)).collect();
    let mut creations: Vec<_> = plan.lines.iter_mut().filter(|line| line.kind == "create").collect();
    creations.sort_by_key(|line| places.get(&line.id).copied());
    for line in creations.split_off(room) {
        line.kind = "refused";
        line.reason = reason(quota);
        plan.create -= 1;
        plan.refused += 1;
        plan.writes -= 1;
    }
    Ok(())
}

fn reason(quota: Quota) -> String {
    let Quota { used, total } = quota;
    let room = match quota.left() {
        0 => "for no more objects".to_owned(),
        1 => "for 1 more object".to_owned(),
        left => format!("for {left} more objects"),
    };
    format!("the tenant has room {room}: {used} of {total}, with those in the recycle bin")
}
