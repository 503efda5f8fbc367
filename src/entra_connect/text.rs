//! How the bytes of an exported file become text. Exports went through many hands: UTF-16 of a Windows tool, UTF-8 with a
//! mark, an editor's Windows-1252, line ends of either world.
//!
//! Knows neither XML nor PowerShell nor any other thing that the text may be.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::export::{Place, Unreadable};

/// The most bytes that are read of a file. The largest known file of an export, a connector with its schema, has two
/// million.
pub(super) const LARGEST: usize = 64 * 1024 * 1024;

const SAVE_AS_UTF8: &str = "if it is text, save it as UTF-8";

/// The text of a file, with LF at the ends of its lines.
pub(super) fn read(path: &Path) -> Result<String, Unreadable> {
    let place = Place { file: path.to_owned(), line: 1 };
    let broken = |error: std::io::Error| unreadable(&place, format!("cannot be read: {error}"), None);
    let file = File::open(path).map_err(broken)?;
    let metadata = file.metadata().map_err(broken)?;
    if metadata.is_dir() {
        return Err(unreadable(&place, "is a folder, not a file".to_owned(), None));
    }
    let largest = u64::try_from(LARGEST).unwrap_or(u64::MAX);
    if metadata.len() > largest {
        return Err(too_large(&place));
    }
    // The length of a pipe is not known before its end: one byte more than is allowed tells.
    let mut bytes = Vec::new();
    file.take(largest.saturating_add(1)).read_to_end(&mut bytes).map_err(broken)?;
    decode(&bytes, &place)
}

/// Text of UTF-8 or UTF-16, or else of Windows-1252, with LF at the ends of its lines.
pub(super) fn decode(bytes: &[u8], place: &Place) -> Result<String, Unreadable> {
    if bytes.len() > LARGEST {
        return Err(too_large(place));
    }
    let text = match Encoding::for_bom(bytes) {
        Some((encoding, mark)) => marked(encoding, bytes.get(mark..).unwrap_or_default(), place)?,
        None => unmarked(bytes, place)?,
    };
    if let Some(at) = text.find('\0') {
        return Err(no_text(text.as_bytes(), at, place, "holds NUL characters, so it is no text"));
    }
    Ok(if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text })
}

/// A mark at the start is a promise: what breaks it is damaged.
fn marked(encoding: &'static Encoding, bytes: &[u8], place: &Place) -> Result<String, Unreadable> {
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes);
    text.map(|text| text.into_owned()).ok_or_else(|| {
        let message = format!("begins with the mark of {0}, but is not {0}", encoding.name());
        unreadable(place, message, Some("was it cut off, or put together of two files?"))
    })
}

fn unmarked(bytes: &[u8], place: &Place) -> Result<String, Unreadable> {
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        let refusal = || no_text(bytes, at, place, "holds NUL bytes, so it is no text");
        return wide(bytes).ok_or_else(refusal);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => western(bytes, error.valid_up_to(), place),
    }
}

/// UTF-16 without a mark, where it is beyond doubt: it begins with an ASCII character, and all of it is text.
fn wide(bytes: &[u8]) -> Option<String> {
    let encoding = match bytes {
        [1..=0x7f, 0, ..] => UTF_16LE,
        [0, 1..=0x7f, ..] => UTF_16BE,
        _ => return None,
    };
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes)?;
    (!text.contains('\0')).then(|| text.into_owned())
}

/// Windows-1252, which gives a character for nearly every byte, so that care is taken: bytes that no text has are refused,
/// and so is UTF-8 that has a mistake somewhere.
fn western(bytes: &[u8], mistake: usize, place: &Place) -> Result<String, Unreadable> {
    let odd = |byte: &u8| matches!(byte, 0..=8 | 0x0b | 0x0e..=0x19 | 0x1b..=0x1f | 0x81 | 0x8d | 0x8f | 0x90 | 0x9d);
    if let Some(at) = bytes.iter().position(odd) {
        return Err(no_text(bytes, at, place, "is neither UTF-8 nor Windows-1252, so it is no text"));
    }
    let (mut right, mut wrong) = (0_usize, 0_usize);
    for chunk in bytes.utf8_chunks() {
        right += chunk.valid().chars().filter(|character| !character.is_ascii()).count();
        wrong += usize::from(!chunk.invalid().is_empty());
    }
    if right > wrong {
        return Err(no_text(bytes, mistake, place, "has bytes here that are not UTF-8, though the rest is"));
    }
    Ok(WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned())
}

fn too_large(place: &Place) -> Unreadable {
    let message = format!("is larger than {} MiB", LARGEST / 1024 / 1024);
    unreadable(place, message, Some("no export is that large: is it the right file?"))
}

/// The line is counted in bytes, for there may be no characters.
fn no_text(bytes: &[u8], at: usize, place: &Place, message: &str) -> Unreadable {
    let before = bytes.iter().take(at).filter(|byte| **byte == b'\n').count();
    let place = Place { file: place.file.clone(), line: before + 1 };
    unreadable(&place, message.to_owned(), Some(SAVE_AS_UTF8))
}

fn unreadable(place: &Place, message: String, hint: Option<&str>) -> Unreadable {
    Unreadable { place: place.clone(), message, hint: hint.map(str::to_owned) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { file: "export.xml".into(), line: 1 }
    }

    fn check(bytes: &[u8], expected: &str) {
        assert_eq!(decode(bytes, &place()).unwrap(), expected);
    }

    fn refused(bytes: &[u8], expected: &str) {
        assert_eq!(decode(bytes, &place()).unwrap_err().to_string(), expected);
    }

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn utf8_is_read_with_and_without_a_mark() {
        check("Größe".as_bytes(), "Größe");
        check("\u{feff}Größe".as_bytes(), "Größe");
        check(b"", "");
    }

    #[test]
    fn utf16_is_read_with_and_without_a_mark() {
        for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
            check(&utf16("\u{feff}<a>Größe €</a>", bytes), "<a>Größe €</a>");
            check(&utf16("<a>Größe €</a>", bytes), "<a>Größe €</a>");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_windows_1252() {
        check(b"Gr\xf6\xdfe \x80", "Größe €");
    }

    #[test]
    fn every_line_ends_in_lf() {
        check(b"a\r\nb\rc\nd\r\n", "a\nb\nc\nd\n");
        check(&utf16("a\r\nb", u16::to_le_bytes), "a\nb");
    }

    #[test]
    fn what_is_no_text_is_refused() {
        refused(b"a\nb\0c", "export.xml:2: holds NUL bytes, so it is no text");
        refused(b"\xff\xfea\0\0\0b\0", "export.xml:1: holds NUL characters, so it is no text");
        refused(b"\xff\xfea\0b", "export.xml:1: begins with the mark of UTF-16LE, but is not UTF-16LE");
        refused(b"\xef\xbb\xbfa\xff", "export.xml:1: begins with the mark of UTF-8, but is not UTF-8");
        refused(b"\x89PNG\n\x01", "export.xml:2: is neither UTF-8 nor Windows-1252, so it is no text");
    }

    #[test]
    fn utf8_with_a_mistake_is_not_taken_for_windows_1252() {
        let bytes = [b"gr\xc3\xb6\xc3\x9fer\n".as_slice(), b"\xff"].concat();
        refused(&bytes, "export.xml:2: has bytes here that are not UTF-8, though the rest is");
    }

    #[test]
    fn a_large_file_is_refused_before_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.xml");
        let largest = u64::try_from(LARGEST).unwrap();
        File::create(&path).unwrap().set_len(largest + 1).unwrap();
        assert_eq!(read(&path).unwrap_err().message, "is larger than 64 MiB");
        assert_eq!(read(folder.path()).unwrap_err().message, "is a folder, not a file");
        refused(&vec![b' '; LARGEST + 1], "export.xml:1: is larger than 64 MiB");
    }
}
