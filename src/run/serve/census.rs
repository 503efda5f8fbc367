//! What the store holds, in numbers. Keys alone are counted, after cycles, and so rarely that it takes less than a
//! hundredth of the time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::connector::Traffic;
use crate::connector_space::ObjectId;
use crate::metaverse::MetaverseId;
use crate::run::RunError;
use crate::run::session::Session;
use crate::sync::ledger::View as _;

/// How many keys are read at a time.
const STRETCH: usize = 5_000;
/// Counting pauses so many times as long as it took, and at least this.
const SHARE: u32 = 100;
const SHORTEST: Duration = Duration::from_secs(1);
/// References are settled within a cycle; more than these are not counted.
const EDGES: usize = 5_000;

/// What the store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Objects by connector and type.
    pub objects: BTreeMap<(String, String), usize>,
    /// Objects of each target that wait for something to be written or confirmed.
    pub exports: BTreeMap<String, usize>,
    /// References that wait for the same.
    pub references: usize,
    /// What waits to be synchronised: objects, metaverse objects, references.
    pub queues: [usize; 3],
    /// What became of writes since the connection was made, by target.
    pub traffic: BTreeMap<String, Traffic>,
    /// Bytes on the disk.
    pub bytes: u64,
}

/// When the store was counted, and how long that took.
#[derive(Default)]
pub(super) struct Counting {
    stale: bool,
    next: Option<Instant>,
}

impl Counting {
    /// A cycle has changed something.
    pub(super) fn is_stale(&mut self) {
        self.stale = true;
    }

    /// Counts, if something has changed and it is time again.
    pub(super) fn take(&mut self, session: &Session) -> Option<Census> {
        let now = Instant::now();
        if !self.stale || self.next.is_some_and(|next| now < next) {
            return None;
        }
        // A store that cannot be read fails the next cycle, too, and louder.
        let census = Census::of(session).ok();
        self.next = Some(Instant::now() + (now.elapsed() * SHARE).max(SHORTEST));
        self.stale = false;
        census
    }
}

impl Census {
    fn of(session: &Session) -> Result<Census, RunError> {
        let draft = session.store.draft();
        let mut census = Census { bytes: session.store.size(), ..Census::default() };
        for (name, directory) in &session.directories {
            for object_type in directory.object_types() {
                let count = draft.count_objects(name, &object_type)?;
                census.objects.insert((name.clone(), object_type), count);
            }
            if directory.is_target() {
                let waiting = count(|after: Option<&ObjectId>| Ok(draft.exports(name, after.copied(), STRETCH)?))?;
                census.exports.insert(name.clone(), waiting);
            }
            census.traffic.extend(directory.traffic().map(|traffic| (name.clone(), traffic)));
        }
        census.references = count(|after| Ok(draft.edge_exports(after, STRETCH)?))?;
        census.queues = [
            count(|after: Option<&ObjectId>| Ok(draft.object_queue(after.copied(), STRETCH)?))?,
            count(|after: Option<&MetaverseId>| Ok(draft.metaverse_queue(after.copied(), STRETCH)?))?,
            draft.edge_queue(EDGES)?.len(),
        ];
        Ok(census)
    }
}

/// Counts keys in stretches, each after the last of the one before.
fn count<T>(next: impl Fn(Option<&T>) -> Result<Vec<T>, RunError>) -> Result<usize, RunError> {
    let (mut counted, mut last) = (0, None);
    loop {
        let mut keys = next(last.as_ref())?;
        counted += keys.len();
        match keys.pop() {
            Some(key) if keys.len() + 1 == STRETCH => last = Some(key),
            Some(_) | None => return Ok(counted),
        }
    }
}
