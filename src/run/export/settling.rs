//! What an answer means for the object that was sent.

use super::ExportReport;
use crate::change::Change;
use crate::connector::{ExportAction, ExportItem, ExportOutcome};
use crate::connector_space::{Export, ExportState, ObjectId};
use crate::run::RunError;
use crate::store::Draft;
use crate::sync::ledger::{Ledger, View};
use crate::value::AttributeName;

/// Whether the directory did nothing of what it was sent; silence is no such answer.
pub(in crate::run) fn is_untaken(outcome: &ExportOutcome) -> bool {
    !matches!(outcome, ExportOutcome::Done { .. } | ExportOutcome::Unknown { .. })
}

/// Brings one object in line with what became of its item.
pub(super) fn settle(
    draft: &mut Draft<'_>,
    item: &ExportItem,
    outcome: ExportOutcome,
    report: &mut ExportReport,
) -> Result<(), RunError> {
    let id = ObjectId(item.id);
    report.sent.insert(id);
    let Some(mut object) = draft.object(id)? else { return Ok(()) };
    let who = format!("{} `{}`", object.object_type, object.title());
    let Some(mut export) = object.export.take() else { return Ok(()) };
    if is_untaken(&outcome) {
        draft.note(Change::Unwritten(id));
    }
    match outcome {
        ExportOutcome::Done { created } => {
            report.touched.insert(id);
            if let Some(name) = new_name(&export) {
                object.dn = Some(name);
            }
            match &item.action {
                ExportAction::Create { .. } => {
                    report.created += 1;
                    object.anchor = created.or(object.anchor);
                    export.mark_sent();
                }
                ExportAction::Restore { anchor } => {
                    report.restored += 1;
                    report.as_they_were.push(id);
                    object.anchor = Some(anchor.clone());
                    export.object_exists();
                    export.state = ExportState::Pending;
                }
                ExportAction::Update { .. } => {
                    report.updated += 1;
                    export.mark_sent();
                }
                ExportAction::Delete { .. } => {
                    report.deleted += 1;
                    export.state = ExportState::Exported;
                }
                ExportAction::AddReferences { .. } | ExportAction::RemoveReferences { .. } => {}
            }
        }
        ExportOutcome::Refused { code, message } => {
            report.refuse(who, message.clone());
            export.state = ExportState::Failed { code, message };
        }
        ExportOutcome::Full { message } => {
            report.postponed += 1;
            report.full.get_or_insert(message);
            export.state = ExportState::Pending;
        }
        ExportOutcome::Missing => {
            report.refuse(who, "the object is not there any more; the next import settles it".into());
            export.state = ExportState::Failed { code: "missing".into(), message: "not there any more".into() };
        }
        ExportOutcome::Temporary { .. } | ExportOutcome::References { .. } => {
            report.postponed += 1;
            report.put_off.insert(id);
            export.state = ExportState::Pending;
        }
        ExportOutcome::Unknown { .. } => report.unknown += 1,
    }
    object.export = Some(export);
    draft.put_object(&object)?;
    Ok(())
}

/// The name that an entry of an LDAP server has once its changes were taken.
fn new_name(export: &Export) -> Option<String> {
    let change = export.changes.get(&AttributeName::from("dn")).filter(|change| !change.sent)?;
    Some(change.values.first()?.as_text()?.to_owned())
}
