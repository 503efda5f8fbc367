//! Whether anything is written: an installation may be staging, and so may a target.

use super::RunError;
use super::session::Session;
use crate::store::Draft;

/// Whether this installation is staging. Who takes that out of the configuration is promoted for good.
pub(super) fn decide_standby(session: &mut Session) -> Result<(), RunError> {
    let staging = session.config.staging;
    let mut draft = session.store.draft();
    let promoted = draft.fact::<bool>("promoted")?.unwrap_or(false);
    draft.put_fact("standby", &staging)?;
    if !staging && promoted {
        draft.put_fact("promoted", &false)?;
    }
    let writes = draft.finish();
    session.store.commit(writes)?;
    Ok(())
}

/// A target that has objects when it is first seen is staging until somebody says `go-live`.
pub(super) fn decide_staging(session: &mut Session, connector: &str) -> Result<(), RunError> {
    let key = format!("live/{connector}");
    let object_types = session.directory(connector)?.object_types();
    let draft = session.store.draft();
    if draft.fact::<bool>(&key)?.is_some() {
        return Ok(());
    }
    let mut empty = true;
    for object_type in &object_types {
        empty &= draft.population(connector, object_type, None, 1)?.is_empty();
    }
    drop(draft);
    session.remember(&key, &empty)
}

/// Whether this installation writes nothing anywhere, as its last run found the configuration, and nobody has promoted it.
///
/// # Errors
/// When the store cannot be read.
pub fn is_standby(draft: &Draft<'_>) -> Result<bool, RunError> {
    let is = |name: &str| Ok::<_, RunError>(draft.fact::<bool>(name)?.unwrap_or(false));
    Ok(is("standby")? && !is("promoted")?)
}

/// Whether a target is written to: it was empty, or somebody said `go-live`, and this installation is not staging.
///
/// # Errors
/// When the store cannot be read.
pub fn is_live(draft: &Draft<'_>, connector: &str) -> Result<bool, RunError> {
    Ok(!is_standby(draft)? && draft.fact::<bool>(&format!("live/{connector}"))?.unwrap_or(false))
}
