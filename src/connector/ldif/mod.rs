//! LDIF files as a source: whole exports of a directory, read like one.
//!
//! Knows files, not servers; shares the way from entries to objects with [`super::ldap`].

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use tokio::sync::mpsc;

use super::changes::{ChangesEnd, Watermark};
use super::ldap::entry::{self, Converted, Converter};
use super::ldap::{Flavour, check_types, object_types, well_known};
use super::schema::Schema;
use super::{
    Anchor, ConnectorError, ConnectorErrorKind, Finding, FindingLevel, ImportEnd, ImportEvent, ImportRequest,
    ImportSink, ImportedObject, Presence,
};
pub use charset::Charset;
use reader::{Item, Reader};

mod charset;
mod reader;

/// How often files are looked at while somebody waits for them to change.
const GLANCE: Duration = Duration::from_secs(1);

/// More reasons than this are counted, not listed.
const LISTED_REASONS: usize = 20;

/// The settings of an LDIF source.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The file, or several that together are the directory.
    pub file: Files,
    /// Which table of well-known attributes tells kinds and multiplicity.
    #[serde(default)]
    pub schema: Table,
    /// The character set of the files; UTF-8 without. A mark at the start of a file outdoes it.
    #[serde(default)]
    pub charset: Charset,
    /// The object types to read, by class name; the usual ones of the table without.
    pub objects: Option<Vec<String>>,
}

impl Settings {
    /// Makes relative file names relative to a folder.
    pub fn resolve(&mut self, folder: &Path) {
        let paths = match &mut self.file {
            Files::One(path) => std::slice::from_mut(path),
            Files::Many(paths) => paths.as_mut_slice(),
        };
        for path in paths.iter_mut().filter(|path| path.is_relative()) {
            *path = folder.join(&*path);
        }
    }
}

/// One file or several.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Files {
    /// One.
    One(PathBuf),
    /// Several.
    Many(Vec<PathBuf>),
}

impl Files {
    fn paths(&self) -> &[PathBuf] {
        match self {
            Files::One(path) => std::slice::from_ref(path),
            Files::Many(paths) => paths,
        }
    }
}

/// The shipped tables of well-known attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Table {
    /// Names and kinds as in Active Directory.
    #[default]
    #[serde(rename = "active-directory")]
    ActiveDirectory,
    /// Names and kinds as in OpenLDAP.
    #[serde(rename = "inetorgperson")]
    InetOrgPerson,
}

impl Table {
    fn flavour(self) -> Flavour {
        match self {
            Table::ActiveDirectory => Flavour::ActiveDirectory,
            Table::InetOrgPerson => Flavour::OpenLdap,
        }
    }
}

/// An LDIF source. Every call reads the files from the beginning.
#[derive(Clone, Debug)]
pub struct Ldif {
    settings: Settings,
}

/// What a file shows, entry by entry.
enum Seen {
    Object(Box<ImportedObject>),
    OtherType { anchor: Option<Anchor>, dn: String },
    Unreadable { anchor: Option<Anchor>, who: String, reason: String },
}

/// Whether to go on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Go {
    On,
    Stop,
}

impl Ldif {
    /// A source with these settings.
    ///
    /// # Errors
    /// `Settings` when they name no file or no object type.
    pub fn new(settings: Settings) -> Result<Ldif, ConnectorError> {
        let refused = |what: &str| Err(ConnectorError::new(ConnectorErrorKind::Settings, what));
        if settings.file.paths().is_empty() {
            return refused("`file` names no file");
        }
        if settings.objects.as_ref().is_some_and(Vec::is_empty) {
            return refused("`objects` is empty, so nothing would be read");
        }
        Ok(Ldif { settings })
    }

    /// The object types that it reads.
    pub fn object_types(&self) -> Vec<String> {
        let flavour = self.settings.schema.flavour();
        self.settings.objects.clone().unwrap_or_else(|| object_types::default_types(flavour))
    }

    /// Reads all objects of the requested types into `sink`.
    ///
    /// # Errors
    /// When a file is missing, or is no export of entries. A file that was cut or damaged, or that changes while it
    /// is read, ends as [`ImportEnd::Incomplete`].
    pub async fn import(&self, request: &ImportRequest, sink: ImportSink) -> Result<ImportEnd, ConnectorError> {
        check_types(request, &self.object_types())?;
        let (source, request) = (self.clone(), request.clone());
        in_background(move || {
            let reasons = source.read(&request, &mut |seen| {
                let event = match seen {
                    Seen::Object(object) => ImportEvent::Object(object),
                    Seen::OtherType { .. } => return Go::On,
                    Seen::Unreadable { who, reason, .. } => ImportEvent::Unreadable { who, reason },
                };
                if sink.blocking_send(event).is_ok() { Go::On } else { Go::Stop }
            })?;
            Ok(if reasons.is_empty() { ImportEnd::Complete } else { ImportEnd::Incomplete(reasons) })
        })
        .await
    }

    /// What is read of the files, as text.
    pub fn place(&self) -> String {
        format!("{:?}", self.settings)
    }

    /// What the files look like now.
    ///
    /// # Errors
    /// When one of them is missing.
    pub fn watermark(&self) -> Result<Watermark, ConnectorError> {
        let stamp = |path: &PathBuf| {
            let (_, about) = open(path)?;
            let since = about.modified().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
            let changed = since.and_then(|since| i128::try_from(since.as_nanos()).ok()).unwrap_or_default();
            Ok((path.display().to_string(), about.len(), changed))
        };
        Ok(Watermark::Files(self.settings.file.paths().iter().map(stamp).collect::<Result<_, ConnectorError>>()?))
    }

    /// Looks at the files once a second and says when one is another, until nobody listens any more.
    pub async fn watch(&self, woken: mpsc::Sender<()>) {
        let mut last = self.watermark().ok();
        while !woken.is_closed() {
            tokio::time::sleep(GLANCE).await;
            let now = self.watermark().ok();
            if now != last {
                last = now;
                // One that waits already says the same.
                let _ = woken.try_send(());
            }
        }
    }

    /// Nothing, as long as the files are what they were; otherwise everything has to be read.
    ///
    /// # Errors
    /// As for [`Ldif::watermark`].
    pub fn changes(&self, since: &Watermark) -> Result<ChangesEnd, ConnectorError> {
        let now = self.watermark()?;
        Ok(if now == *since {
            ChangesEnd::UpTo { watermark: now, present: None }
        } else {
            ChangesEnd::TooOld("the file has changed".into())
        })
    }

    /// Looks objects up by their anchors: what a whole file does not show is deleted. The names are not needed.
    ///
    /// # Errors
    /// As for [`Ldif::import`].
    pub async fn look_up(
        &self,
        request: &ImportRequest,
        anchors: &[(Anchor, Option<String>)],
    ) -> Result<Vec<(Anchor, Presence)>, ConnectorError> {
        check_types(request, &self.object_types())?;
        let (source, request) = (self.clone(), request.clone());
        let anchors: Vec<Anchor> = anchors.iter().map(|(anchor, _)| anchor.clone()).collect();
        in_background(move || {
            let mut found: BTreeMap<Anchor, Option<Presence>> =
                anchors.iter().map(|anchor| (anchor.clone(), None)).collect();
            let mut whole = true;
            let reasons = source.read(&request, &mut |seen| {
                let (anchor, presence) = match seen {
                    Seen::Object(object) => (Some(object.anchor.clone()), Presence::Present(object)),
                    Seen::OtherType { anchor, dn } => (anchor, Presence::OutOfScope(format!("{dn} (of another type)"))),
                    Seen::Unreadable { anchor, .. } => {
                        whole &= anchor.is_some();
                        (anchor, Presence::NotFound)
                    }
                };
                if let Some(place) = anchor.and_then(|anchor| found.get_mut(&anchor)) {
                    *place = Some(presence);
                }
                Go::On
            })?;
            let absent = if whole && reasons.is_empty() { Presence::Deleted } else { Presence::NotFound };
            let presence = |anchor: &Anchor| found.get(anchor).cloned().flatten().unwrap_or_else(|| absent.clone());
            Ok(anchors.iter().map(|anchor| (anchor.clone(), presence(anchor))).collect())
        })
        .await
    }

    /// The shipped table, by object type.
    pub fn schema(&self) -> BTreeMap<String, Schema> {
        let schema = well_known::schema(self.settings.schema.flavour());
        self.object_types().into_iter().map(|name| (name, schema.clone())).collect()
    }

    /// Reads the files through and says what is in them.
    pub async fn doctor(&self) -> Vec<Finding> {
        let source = self.clone();
        let looked = in_background(move || {
            let request = ImportRequest {
                types: source.object_types().into_iter().map(|name| (name, Default::default())).collect(),
            };
            let mut counts: BTreeMap<String, u64> = source.object_types().into_iter().map(|name| (name, 0)).collect();
            let mut findings = Vec::new();
            let reasons = source.read(&request, &mut |seen| {
                match seen {
                    Seen::Object(object) => *counts.entry(object.object_type).or_default() += 1,
                    Seen::OtherType { .. } => {}
                    Seen::Unreadable { who, reason, .. } if findings.len() < LISTED_REASONS => {
                        findings.push(Finding::new(FindingLevel::Warning, who, reason));
                    }
                    Seen::Unreadable { .. } => {}
                }
                Go::On
            })?;
            let level = if reasons.is_empty() { FindingLevel::Ok } else { FindingLevel::Error };
            let counted: Vec<String> = counts.iter().map(|(name, count)| format!("{count} `{name}`")).collect();
            findings.insert(0, Finding::new(level, "file", counted.join(", ")));
            findings.extend(reasons.into_iter().map(|reason| Finding::new(FindingLevel::Error, "file", reason)));
            Ok(findings)
        });
        looked.await.unwrap_or_else(|error| {
            let mut finding = Finding::new(FindingLevel::Error, "file", error.message);
            finding.hint = error.hint;
            vec![finding]
        })
    }

    /// Reads all files; gives the reasons why absence proves nothing.
    fn read(&self, request: &ImportRequest, see: &mut dyn FnMut(Seen) -> Go) -> Result<Vec<String>, ConnectorError> {
        let schema = well_known::schema(self.settings.schema.flavour());
        let decode = |bytes: &[u8]| self.settings.charset.value(bytes);
        let converter = Converter::for_files(request, &schema, &decode);
        let mut reasons = Reasons::default();
        // All files are opened first: one that is missing is no smaller directory.
        let mut files = Vec::new();
        for path in self.settings.file.paths() {
            files.push((path, open(path)?));
        }
        for (path, (file, before)) in files {
            let charset = self.settings.charset;
            if read_one(path, file, charset, &before, &converter, see, &mut reasons)? == Go::Stop {
                reasons.add("the import was stopped".into());
                break;
            }
        }
        Ok(reasons.finish())
    }
}

/// The objects of the requested types in a text, for those who look at some of them: nothing is inferred from what is
/// not there.
///
/// # Errors
/// When it is no LDIF, or an entry in it cannot be read.
pub fn objects_in(
    text: &[u8],
    request: &ImportRequest,
    schema: &Schema,
) -> Result<Vec<ImportedObject>, ConnectorError> {
    let refused =
        |line: u64, what: &str| ConnectorError::new(ConnectorErrorKind::Settings, format!("line {line}: {what}"));
    let charset = Charset::default();
    let decode = |bytes: &[u8]| charset.value(bytes);
    let converter = Converter::for_files(request, schema, &decode);
    // Files written by hand often lack the last line break.
    let mut reader = Reader::new(std::io::Read::chain(text, &b"\n"[..]), charset);
    let mut objects = Vec::new();
    while let Some(item) = reader.next().map_err(|error| refused(error.line, &error.what))? {
        match item {
            Item::Broken(line, reason) => return Err(refused(line, &reason)),
            Item::Entry(_, entry) if entry.dn.is_empty() => {}
            Item::Entry(line, entry) => match converter.convert(&entry) {
                Converted::Object(object) => objects.push(*object),
                Converted::OtherType => {}
                Converted::Unreadable(reason) => return Err(refused(line, &reason)),
            },
        }
    }
    Ok(objects)
}

fn open(path: &Path) -> Result<(File, Metadata), ConnectorError> {
    let failed = |error: std::io::Error| {
        ConnectorError::new(ConnectorErrorKind::Settings, format!("cannot read `{}`: {error}", path.display()))
    };
    let file = File::open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if about.is_dir() {
        let message = format!("`{}` is a folder, not a file", path.display());
        return Err(ConnectorError::new(ConnectorErrorKind::Settings, message));
    }
    Ok((file, about))
}

fn read_one(
    path: &Path,
    file: File,
    charset: Charset,
    before: &Metadata,
    converter: &Converter<'_>,
    see: &mut dyn FnMut(Seen) -> Go,
    reasons: &mut Reasons,
) -> Result<Go, ConnectorError> {
    let shown = path.display();
    let again = file.try_clone();
    let mut reader = Reader::new(BufReader::with_capacity(1 << 18, file), charset);
    let mut entries = 0u64;
    loop {
        let item = reader.next().map_err(|refused| {
            let message = format!("`{shown}` line {}: {}", refused.line, refused.what);
            ConnectorError::new(ConnectorErrorKind::Settings, message).hint(refused.hint)
        })?;
        let seen = match item {
            None => break,
            Some(Item::Broken(line, reason)) => {
                reasons.add(format!("`{shown}` line {line}: {reason}"));
                Seen::Unreadable { anchor: None, who: format!("{shown} line {line}"), reason }
            }
            Some(Item::Entry(line, entry)) => {
                entries += 1;
                if entry.dn.is_empty() {
                    continue;
                }
                match converter.convert(&entry) {
                    Converted::Object(object) => Seen::Object(object),
                    Converted::OtherType => Seen::OtherType { anchor: known_anchor(&entry), dn: entry.dn },
                    Converted::Unreadable(reason) => Seen::Unreadable {
                        anchor: known_anchor(&entry),
                        who: format!("{shown} line {line} ({})", entry.dn),
                        reason,
                    },
                }
            }
        };
        if see(seen) == Go::Stop {
            return Ok(Go::Stop);
        }
    }
    if reader.cut {
        reasons.add(format!("`{shown}` does not end with a line break: something is missing"));
    }
    if entries == 0 {
        reasons.add(format!("`{shown}` holds no entry"));
    }
    let unchanged = again.and_then(|file| file.metadata()).is_ok_and(|after| {
        after.len() == before.len()
            && after.modified().ok() == before.modified().ok()
            && (!after.is_file() || reader.bytes == after.len())
    });
    if !unchanged {
        reasons.add(format!("`{shown}` changed while it was read"));
    }
    Ok(Go::On)
}

/// The anchor of an entry that is not delivered; nothing when it cannot be told.
fn known_anchor(entry: &entry::RawEntry) -> Option<Anchor> {
    match entry::anchor_of(entry) {
        Ok(Some(anchor)) => Some(anchor),
        Ok(None) => Some(Anchor(crate::dn::normalise(&entry.dn))),
        Err(_) => None,
    }
}

/// Reasons, not without bound.
#[derive(Default)]
struct Reasons {
    listed: Vec<String>,
    more: u64,
}

impl Reasons {
    fn add(&mut self, reason: String) {
        if self.listed.len() < LISTED_REASONS {
            self.listed.push(reason);
        } else {
            self.more += 1;
        }
    }

    fn finish(mut self) -> Vec<String> {
        if self.more > 0 {
            self.listed.push(format!("and {} more", self.more));
        }
        self.listed
    }
}

/// Reading a file waits for the disk; that must not hold up everything else.
async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ConnectorError> + Send + 'static,
) -> Result<T, ConnectorError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| {
        Err(ConnectorError::new(ConnectorErrorKind::Protocol, format!("reading stopped unexpectedly: {error}")))
    })
}

#[cfg(test)]
mod tests;
