//! `syncline join` and `disjoin`: links that people decide, with a reason that stays.

use clap::Args;

use super::Exit;
use super::output::say;
use crate::connector_space::ConnectorObject;
use crate::metaverse::MetaverseObject;
use crate::run::RunError;
use crate::run::audit::{self, Deed};
use crate::run::session::Session;
use crate::store::DraftWrites;
use crate::sync::by_hand::{self, Refusal};
use crate::sync::ledger::View;
use crate::sync::title;

/// Links an object to the metaverse object of another, whatever the join criteria say.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  syncline join hr 4711 ad zoe@contoso.com --reason \"HR has her maiden name\" --yes\n  \
                  syncline join entra ann@contoso.com ad ann@contoso.com --reason \"made by hand in 2019\" --yes"
)]
pub(super) struct JoinArguments {
    /// The connector of the object.
    connector: String,
    /// The object, as in `show`.
    object: String,
    /// The connector of an object that is linked to the right metaverse object.
    with_connector: String,
    /// That object.
    with: String,
    /// Why; `show` and `explain` say it to those who come later.
    #[arg(long)]
    reason: String,
    /// Does it; without, only says what would be done.
    #[arg(long)]
    yes: bool,
}

/// Unlinks an object, and keeps it apart: rules do not join it again.
#[derive(Args)]
#[command(after_help = "Examples:\n  syncline disjoin hr 4711 --reason \"another person of that name\" --yes\n  \
                  syncline disjoin hr 4711 --undo --yes      rules may join it again")]
pub(super) struct DisjoinArguments {
    /// The connector of the object.
    connector: String,
    /// The object, as in `show`.
    object: String,
    /// Why.
    #[arg(long, required_unless_present = "undo")]
    reason: Option<String>,
    /// Forgets what was decided by `join` or `disjoin`: rules decide again.
    #[arg(long, conflicts_with = "reason")]
    undo: bool,
    /// Does it; without, only says what would be done.
    #[arg(long)]
    yes: bool,
}

pub(super) fn join(session: Session, arguments: &JoinArguments) -> Result<Exit, RunError> {
    let object = one(&session, &arguments.connector, &arguments.object)?;
    let with = one(&session, &arguments.with_connector, &arguments.with)?;
    let person = person_of(&session, &with)?;
    let rules = session.rules.clone();
    let mut draft = session.store.draft();
    let (name, subject) = (object.title(), audit::objects(&arguments.connector, &[object.id]));
    by_hand::join(&mut draft, &rules, object, &person, &arguments.reason).map_err(refused)?;
    let writes = draft.finish();
    let decided = (Deed::Join, subject);
    conclude(session, writes, arguments.yes.then_some(decided), &name, &format!("joined to {}", title(&person)))
}

pub(super) fn disjoin(session: Session, arguments: &DisjoinArguments) -> Result<Exit, RunError> {
    let object = one(&session, &arguments.connector, &arguments.object)?;
    let (name, subject) = (object.title(), audit::objects(&arguments.connector, &[object.id]));
    if arguments.undo && object.pin.is_none() {
        return Err(RunError::Unknown(format!("nobody decided anything about `{name}`")));
    }
    let mut draft = session.store.draft();
    match &arguments.reason {
        Some(reason) => by_hand::disjoin(&mut draft, object, reason).map_err(refused)?,
        None => by_hand::unpin(&mut draft, object)?,
    }
    let writes = draft.finish();
    let (deed, what) = match arguments.undo {
        true => (Deed::DisjoinUndo, "left to the rules again"),
        false => (Deed::Disjoin, "kept apart"),
    };
    conclude(session, writes, arguments.yes.then_some((deed, subject)), &name, what)
}

/// Keeps what was decided, or only says what it would be.
fn conclude(
    mut session: Session,
    writes: DraftWrites,
    decided: Option<(Deed, String)>,
    name: &str,
    what: &str,
) -> Result<Exit, RunError> {
    if let Some((deed, subject)) = decided {
        audit::commit(&mut session, writes, deed, subject)?;
        say(&format!("`{name}` is {what}; `syncline plan` shows what the next run does"));
    } else {
        say(&format!("`{name}` would be {what}; `--yes` does it"));
    }
    session.close()?;
    Ok(Exit::Success)
}

fn refused(refusal: Refusal) -> RunError {
    match refusal {
        Refusal::Ledger(error) => error.into(),
        other => RunError::Unknown(other.to_string()),
    }
}

fn one(session: &Session, connector: &str, name: &str) -> Result<ConnectorObject, RunError> {
    let id = super::show::find_one(session, connector, name)?;
    let gone = || RunError::Unknown(format!("`{connector}` has no object `{name}`"));
    session.store.draft().object(id)?.ok_or_else(gone)
}

fn person_of(session: &Session, object: &ConnectorObject) -> Result<MetaverseObject, RunError> {
    let unlinked = || RunError::Unknown(format!("`{}` is not linked to a metaverse object", object.title()));
    let link = object.link.as_ref().ok_or_else(unlinked)?;
    session.store.draft().metaverse(link.metaverse)?.ok_or_else(unlinked)
}
