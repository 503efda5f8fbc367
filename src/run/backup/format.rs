//! The file: a line that says what it is, entries in gzip, and SHA-256 of all that at the end.
//!
//! `syncline backup 1 {…}` and a line break; then entries, each its length in four bytes and the entry as postcard: what lies
//! beside the store (a file, then its bytes), a mark, every pair of the store in order, and an end that counts them.

use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use serde::{Deserialize, Serialize};

use super::Summary;

/// The version of the file.
pub(super) const VERSION: u32 = 1;
/// How every backup begins.
pub(super) const MAGIC: &str = "syncline backup ";
/// How much of a file is read at once.
pub(super) const CHUNK: usize = 64 * 1024;

/// The rest of the first line, as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) made_at: jiff::Timestamp,
    pub(super) made_by: String,
    pub(super) store_format: u32,
}

/// One entry.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Entry<'a> {
    /// A file beside the store: its path and length. Its bytes follow.
    File(&'a str, u64),
    /// Some of its bytes.
    Bytes(&'a [u8]),
    /// From here on, the store.
    Store,
    /// A key and its value.
    Pair(&'a [u8], &'a [u8]),
    /// Nothing follows.
    End(Count),
}

/// What there was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Count {
    /// Files beside the store.
    pub(super) files: u64,
    /// Pairs of the store.
    pub(super) pairs: u64,
    /// Their digest.
    pub(super) digest: [u8; SHA256_OUTPUT_LEN],
}

/// The digest of pairs, one after the other.
pub(super) struct Pairs {
    context: Context,
    count: u64,
}

impl Pairs {
    pub(super) fn new() -> Pairs {
        Pairs { context: Context::new(&SHA256), count: 0 }
    }

    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        for bytes in [key, value] {
            self.context.update(&(bytes.len() as u64).to_be_bytes());
            self.context.update(bytes);
        }
        self.count += 1;
    }

    pub(super) fn counted(self, files: u64) -> Count {
        Count { files, pairs: self.count, digest: finished(self.context) }
    }
}

/// What a digest comes to.
pub(super) fn finished(context: Context) -> [u8; SHA256_OUTPUT_LEN] {
    let mut bytes = [0; SHA256_OUTPUT_LEN];
    let digest = context.finish();
    for (byte, from) in bytes.iter_mut().zip(digest.as_ref()) {
        *byte = *from;
    }
    bytes
}

/// As tools show it.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is told of a backup.
pub(super) fn summary(path: &Path, header: Header, count: &Count, bytes: u64, sha256: String) -> Summary {
    Summary {
        file: path.into(),
        made_at: header.made_at,
        made_by: header.made_by,
        keys: count.pairs,
        files: count.files,
        bytes,
        sha256,
        left_out: Vec::new(),
    }
}
