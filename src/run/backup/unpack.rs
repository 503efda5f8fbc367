//! Reading a backup: once from end to end for its checksum, and then entry by entry.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Take};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use flate2::read::GzDecoder;

use super::format::{CHUNK, Count, Entry, Header, MAGIC, Pairs, VERSION, finished, hexadecimal, summary};
use super::{BackupError, Summary};
use crate::store::Store;

/// The longest first line.
const LONGEST_HEADER: u64 = 4_096;

/// Reads a backup whose checksum is right.
pub(super) struct Unpacker {
    path: PathBuf,
    from: GzDecoder<BufReader<Take<File>>>,
    header: Header,
    frame: Vec<u8>,
    bytes: u64,
    sha256: String,
    pairs: Option<Pairs>,
    files: u64,
    count: Count,
}

impl Unpacker {
    /// Opens a backup and reads it once from end to end.
    ///
    /// # Errors
    /// When it is none, of another version, or not whole.
    pub(super) fn open(path: &Path) -> Result<Unpacker, BackupError> {
        let io = BackupError::io(path);
        let mut file = File::open(path).map_err(&io)?;
        let (header, begins) = first_line(path, &mut file)?;
        let (bytes, sha256) = checked(path, &mut file)?;
        let header: Header = serde_json::from_str(&header)
            .map_err(|error| BackupError::Wrong { path: path.into(), what: error.to_string() })?;
        if header.store_format != Store::FORMAT {
            return Err(BackupError::StoreFormat { path: path.into(), found: header.store_format, by: header.made_by });
        }
        file.seek(SeekFrom::Start(begins)).map_err(&io)?;
        let body = file.take(bytes.saturating_sub(begins + SHA256_OUTPUT_LEN as u64));
        Ok(Unpacker {
            path: path.into(),
            from: GzDecoder::new(BufReader::new(body)),
            header,
            frame: Vec::new(),
            bytes,
            sha256,
            pairs: Some(Pairs::new()),
            files: 0,
            count: Count::default(),
        })
    }

    /// The next entry.
    ///
    /// # Errors
    /// When it cannot be read, or the end does not count what there was.
    pub(super) fn next(&mut self) -> Result<Entry<'_>, BackupError> {
        let path = self.path.clone();
        let wrong = |what: String| BackupError::Wrong { path: path.clone(), what };
        let mut length = [0; 4];
        self.from.read_exact(&mut length).map_err(|error| wrong(error.to_string()))?;
        self.frame.clear();
        let length = u64::from(u32::from_le_bytes(length));
        let read = (&mut self.from).take(length).read_to_end(&mut self.frame);
        if read.map_err(|error| wrong(error.to_string()))? as u64 != length {
            return Err(wrong("it ends within an entry".into()));
        }
        let entry = postcard::from_bytes(&self.frame).map_err(|error| wrong(error.to_string()))?;
        match &entry {
            Entry::File(..) => self.files += 1,
            Entry::Pair(key, value) => self.pairs.iter_mut().for_each(|pairs| pairs.add(key, value)),
            Entry::End(count) => {
                self.count = self.pairs.take().unwrap_or_else(Pairs::new).counted(self.files);
                if self.count != *count {
                    return Err(wrong("it does not hold what its end says".into()));
                }
            }
            Entry::Bytes(_) | Entry::Store => {}
        }
        Ok(entry)
    }

    /// What was in it, after its end.
    pub(super) fn summary(&self) -> Summary {
        summary(&self.path, self.header.clone(), &self.count, self.bytes, self.sha256.clone())
    }

    /// What its end counted.
    pub(super) fn count(&self) -> &Count {
        &self.count
    }
}

/// What the first line says after the version, and where the next one begins.
fn first_line(path: &Path, file: &mut File) -> Result<(String, u64), BackupError> {
    let mut line = Vec::new();
    let read = BufReader::new(file.take(LONGEST_HEADER)).read_until(b'\n', &mut line);
    let length = read.map_err(BackupError::io(path))? as u64;
    let text = std::str::from_utf8(&line).unwrap_or_default();
    let Some(rest) = text.strip_prefix(MAGIC) else { return Err(BackupError::Other(path.into())) };
    match (rest.split_once(' '), rest.ends_with('\n')) {
        (Some((version, header)), true) if version == VERSION.to_string() => Ok((header.to_owned(), length)),
        (Some((version, _)), true) if version.parse::<u32>().is_ok() => {
            Err(BackupError::Version { path: path.into(), found: version.into() })
        }
        _ => Err(BackupError::Altered(path.into())),
    }
}

/// Sums up the whole file and compares. Gives its length, and SHA-256 of all of it.
fn checked(path: &Path, file: &mut File) -> Result<(u64, String), BackupError> {
    let io = BackupError::io(path);
    let bytes = file.metadata().map_err(&io)?.len();
    let Some(mut left) = bytes.checked_sub(SHA256_OUTPUT_LEN as u64) else {
        return Err(BackupError::Altered(path.into()));
    };
    file.seek(SeekFrom::Start(0)).map_err(&io)?;
    let mut context = Context::new(&SHA256);
    let mut chunk = vec![0; CHUNK];
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let part = chunk.get_mut(..most).unwrap_or_default();
        file.read_exact(part).map_err(&io)?;
        context.update(part);
        left -= most as u64;
    }
    let mut told = [0; SHA256_OUTPUT_LEN];
    file.read_exact(&mut told).map_err(&io)?;
    let mut whole = context.clone();
    whole.update(&told);
    if finished(context) != told {
        return Err(BackupError::Altered(path.into()));
    }
    Ok((bytes, hexadecimal(&finished(whole))))
}
