//! Writing a backup: entries as they come, through gzip, summed up on the way to the disk.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::Summary;
use super::format::{CHUNK, Entry, Header, MAGIC, Pairs, VERSION, finished, hexadecimal, summary};
use crate::store::Store;

/// A file whose bytes are summed up as they are written.
struct Summed {
    file: BufWriter<File>,
    context: Context,
    bytes: u64,
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all(bytes)?;
        self.context.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes a backup.
pub(super) struct Packer {
    to: GzEncoder<Summed>,
    header: Header,
    pairs: Pairs,
    files: u64,
    frame: Vec<u8>,
}

impl Packer {
    /// Begins a new file, which nobody else can read.
    pub(super) fn create(path: &Path) -> io::Result<Packer> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let header = Header {
            made_at: crate::run::audit::now(),
            made_by: env!("CARGO_PKG_VERSION").into(),
            store_format: Store::FORMAT,
        };
        let mut to = Summed { file: BufWriter::new(file), context: Context::new(&SHA256), bytes: 0 };
        let text = serde_json::to_string(&header).map_err(io::Error::other)?;
        writeln!(to, "{MAGIC}{VERSION} {text}")?;
        // Nine tenths of what the best compression saves, in a fifth of its time.
        let to = GzEncoder::new(to, Compression::fast());
        Ok(Packer { to, header, pairs: Pairs::new(), files: 0, frame: Vec::new() })
    }

    fn put(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        self.frame.clear();
        self.frame = postcard::to_extend(entry, std::mem::take(&mut self.frame)).map_err(io::Error::other)?;
        let length = u32::try_from(self.frame.len()).map_err(io::Error::other)?;
        self.to.write_all(&length.to_le_bytes())?;
        self.to.write_all(&self.frame)
    }

    /// Adds a file; so many bytes of it, and `UnexpectedEof` if there are fewer.
    pub(super) fn file(&mut self, name: &str, from: &mut dyn Read, length: u64) -> io::Result<()> {
        self.put(&Entry::File(name, length))?;
        let mut chunk = vec![0; CHUNK];
        let mut left = length;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
            let part = chunk.get_mut(..most).unwrap_or_default();
            from.read_exact(part)?;
            self.put(&Entry::Bytes(part))?;
            left -= most as u64;
        }
        self.files += 1;
        Ok(())
    }

    /// Says that the store follows.
    pub(super) fn store(&mut self) -> io::Result<()> {
        self.put(&Entry::Store)
    }

    /// Adds a pair.
    pub(super) fn pair(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.pairs.add(key, value);
        self.put(&Entry::Pair(key, value))
    }

    /// Ends the file, with everything on the disk.
    pub(super) fn end(mut self, path: &Path) -> io::Result<Summary> {
        let count = std::mem::replace(&mut self.pairs, Pairs::new()).counted(self.files);
        self.put(&Entry::End(count.clone()))?;
        let summed = self.to.finish()?;
        let Summed { mut file, context, bytes } = summed;
        let mut whole = context.clone();
        let sum = finished(context);
        whole.update(&sum);
        file.write_all(&sum)?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        let sha256 = hexadecimal(&finished(whole));
        Ok(summary(path, self.header, &count, bytes + sum.len() as u64, sha256))
    }
}
