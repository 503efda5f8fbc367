//! LDIF (RFC 2849) to entries, one record at a time, in bounded memory. Knows neither schema nor object types.
//!
//! Lines are unfolded as bytes and become text then: tools fold in the middle of a character.

use std::io::{BufRead, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::charset::Charset;
use crate::connector::ldap::entry::{RawAttribute, RawEntry};
use crate::dn;

/// The largest record that is read, in bytes of the file.
const LARGEST_RECORD: u64 = 64 << 20;

/// A record, or what should have been one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// An entry, and the line where it starts.
    Entry(u64, RawEntry),
    /// Lines that make no entry: the first of them that is wrong, and why.
    Broken(u64, String),
}

/// Why a file is not read at all.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) line: u64,
    pub(crate) what: String,
    pub(crate) hint: &'static str,
}

/// A line with its continuations, in UTF-8.
struct Line {
    number: u64,
    text: Vec<u8>,
    /// Whether all of it is text in the charset of the file.
    sound: bool,
}

/// Reads records one by one.
pub(crate) struct Reader<R> {
    input: R,
    charset: Charset,
    /// A line read ahead, with its number, as it stands in the file.
    ahead: Option<(u64, Vec<u8>)>,
    /// The first line of the next record, unfolded, read although the last record had not ended.
    begun: Option<Line>,
    line: u64,
    record_bytes: u64,
    started: bool,
    /// How many bytes of the file have been read.
    pub(crate) bytes: u64,
    /// Whether the file ends without a line break: something is missing.
    pub(crate) cut: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads from `input`, which is in this charset unless a mark at its start says otherwise.
    pub(crate) fn new(input: R, charset: Charset) -> Reader<R> {
        Reader {
            input,
            charset,
            ahead: None,
            begun: None,
            line: 0,
            record_bytes: 0,
            started: false,
            bytes: 0,
            cut: false,
        }
    }

    /// The next record; nothing at the end of the file.
    pub(crate) fn next(&mut self) -> Result<Option<Item>, Refused> {
        let mut record: Option<Record> = None;
        self.record_bytes = 0;
        while let Some(line) = self.logical_line()? {
            if line.text.is_empty() {
                match record {
                    Some(_) => break,
                    None => continue,
                }
            }
            if line.text.starts_with(b"#") {
                continue;
            }
            if record.is_none() && !self.started && self.version(&line)? {
                continue;
            }
            self.started = true;
            if record.is_some() && starts_record(&line.text) {
                // A blank line is missing; nothing is lost by it.
                self.begun = Some(line);
                break;
            }
            let record = record.get_or_insert_with(|| Record::new(line.number, self.charset));
            record.add(&line)?;
        }
        let Some(mut record) = record else { return Ok(None) };
        if self.cut && self.ahead.is_none() && self.begun.is_none() {
            record.broken.get_or_insert((self.line, "the file ends in the middle of a line".into()));
        }
        Ok(Some(record.finish()))
    }

    /// Whether the line tells the version; another version than 1 is refused.
    fn version(&mut self, line: &Line) -> Result<bool, Refused> {
        let Some(version) = line.text.strip_prefix(b"version:") else { return Ok(false) };
        self.started = true;
        if version.trim_ascii() == b"1" {
            return Ok(true);
        }
        let what = format!("version `{}` is not known", String::from_utf8_lossy(version.trim_ascii()));
        Err(Refused { line: line.number, what, hint: "LDIF has the version 1" })
    }

    /// A line with its continuations, which begin with a blank.
    fn logical_line(&mut self) -> Result<Option<Line>, Refused> {
        if let Some(line) = self.begun.take() {
            return Ok(Some(line));
        }
        let first = match self.ahead.take() {
            Some(line) => Some(line),
            None => self.physical_line()?,
        };
        let Some((number, mut text)) = first else { return Ok(None) };
        if text.is_empty() {
            return Ok(Some(Line { number, text, sound: true }));
        }
        let mut room = [0; 2];
        let blank = self.charset.character(b' ', &mut room);
        while let Some((next, line)) = self.physical_line()? {
            match line.strip_prefix(blank) {
                Some(rest) => text.extend_from_slice(rest),
                None => {
                    self.ahead = Some((next, line));
                    break;
                }
            }
        }
        let (text, sound) = self.charset.line(text);
        Ok(Some(Line { number, text, sound }))
    }

    /// A line as it stands in the file, without its end.
    fn physical_line(&mut self) -> Result<Option<(u64, Vec<u8>)>, Refused> {
        let broken = |line: u64, error: std::io::Error| Refused {
            line: line + 1,
            what: format!("cannot be read: {error}"),
            hint: "is the disk or the share still there?",
        };
        if self.bytes == 0 {
            self.mark().map_err(|error| broken(self.line, error))?;
        }
        let Some(mut text) = self.line_bytes().map_err(|error| broken(self.line, error))? else { return Ok(None) };
        self.line += 1;
        if self.record_bytes > LARGEST_RECORD {
            return Err(Refused {
                line: self.line,
                what: format!("a record is larger than {} MiB", LARGEST_RECORD >> 20),
                hint: "is a blank line missing between the records?",
            });
        }
        if !self.charset.ends_line(&text) {
            self.cut = true;
            return Ok(Some((self.line, text)));
        }
        let mut room = [0; 2];
        for ending in [b'\n', b'\r'] {
            let ending = self.charset.character(ending, &mut room);
            let end = text.strip_suffix(ending).map_or(text.len(), <[u8]>::len);
            text.truncate(end);
        }
        Ok(Some((self.line, text)))
    }

    /// Steps over a mark at the start, and takes its word for the charset.
    fn mark(&mut self) -> std::io::Result<()> {
        if let Some((charset, length)) = Charset::marked(self.input.fill_buf()?) {
            self.charset = charset;
            self.input.consume(length);
            self.bytes += length as u64;
        }
        Ok(())
    }

    /// Bytes up to and with a line break; nothing at the end of the file. Stops where a record becomes too large.
    fn line_bytes(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let mut text = Vec::new();
        loop {
            let room = LARGEST_RECORD.saturating_sub(self.record_bytes) + 1;
            let mut read = (&mut self.input).take(room).read_until(b'\n', &mut text)?;
            if read > 0 && self.charset.wants_more(&text) {
                read += (&mut self.input).take(1).read_to_end(&mut text)?;
            }
            self.bytes += read as u64;
            self.record_bytes += read as u64;
            if read == 0 || self.record_bytes > LARGEST_RECORD || self.charset.ends_line(&text) {
                return Ok((!text.is_empty()).then_some(text));
            }
        }
    }
}

fn starts_record(text: &[u8]) -> bool {
    text.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(b"dn:"))
}

/// A record being put together.
struct Record {
    line: u64,
    charset: Charset,
    entry: Option<RawEntry>,
    broken: Option<(u64, String)>,
}

impl Record {
    fn new(line: u64, charset: Charset) -> Record {
        Record { line, charset, entry: None, broken: None }
    }

    fn add(&mut self, line: &Line) -> Result<(), Refused> {
        if self.broken.is_some() {
            return Ok(());
        }
        if let Err(reason) = self.try_add(line)? {
            self.broken = Some((line.number, reason));
        }
        Ok(())
    }

    /// The inner error is about this record alone.
    fn try_add(&mut self, line: &Line) -> Result<Result<(), String>, Refused> {
        let Line { number: line, text, sound } = line;
        let (line, mut sound) = (*line, *sound);
        let Some(colon) = text.iter().position(|byte| *byte == b':') else {
            return Ok(Err("a line without a colon".into()));
        };
        let (name, value) = text.split_at(colon);
        let value = value.get(1..).unwrap_or_default();
        let Some(name) = std::str::from_utf8(name).ok().filter(|name| is_name(name)) else {
            return Ok(Err("a line that does not begin with the name of an attribute".into()));
        };
        let value = match value.split_first() {
            Some((b'<', _)) => {
                let what = format!("`{name}` refers to another file (`:<`), which is not read");
                return Err(Refused { line, what, hint: "write the value itself, in base64 after `::`" });
            }
            Some((b':', encoded)) => match BASE64.decode(encoded.trim_ascii()) {
                Ok(value) => {
                    sound = self.charset.value(&value).is_some();
                    value
                }
                Err(_) => return Ok(Err(format!("the value of `{name}` is not whole base64"))),
            },
            Some(_) | None => value.trim_ascii_start().to_vec(),
        };
        let Some(entry) = &mut self.entry else { return Ok(self.begin(name, &value, sound)) };
        if name.eq_ignore_ascii_case("changetype") {
            // `ldifde` writes it into every entry that it exports.
            if value.trim_ascii().eq_ignore_ascii_case(b"add") {
                return Ok(Ok(()));
            }
            let what = format!("`changetype: {}` is a change, not an entry", String::from_utf8_lossy(&value));
            return Err(Refused {
                line,
                what,
                hint: "export the entries themselves (`ldapsearch -LLL`, `ldifde`, `slapcat`)",
            });
        }
        let no_text = (!sound).then(|| format!("in line {line} is not text in {}", self.charset.advice()));
        let new = RawAttribute::new(name, Vec::new());
        let same = |known: &&mut RawAttribute| known.name.eq_ignore_ascii_case(&new.name) && known.binary == new.binary;
        match entry.attributes.iter_mut().find(same) {
            Some(known) => {
                known.values.push(value);
                known.no_text = known.no_text.take().or(no_text);
            }
            None => entry.attributes.push(RawAttribute { values: vec![value], no_text, ..new }),
        }
        Ok(Ok(()))
    }

    fn begin(&mut self, name: &str, value: &[u8], sound: bool) -> Result<(), String> {
        if !name.eq_ignore_ascii_case("dn") {
            return Err(format!("a record that begins with `{name}`, not with `dn` (ldapsearch needs `-LLL`)"));
        }
        let name = self.charset.value(value).filter(|_| sound);
        let name = name.ok_or_else(|| format!("a distinguished name that is not {0}", self.charset.advice()))?;
        if !name.is_empty() && !dn::is_dn(&name) {
            return Err(format!("`{name}` is not a distinguished name"));
        }
        self.entry = Some(RawEntry { dn: name, attributes: Vec::new() });
        Ok(())
    }

    fn finish(self) -> Item {
        match (self.broken, self.entry) {
            (Some((line, reason)), _) => Item::Broken(line, reason),
            (None, Some(entry)) => Item::Entry(self.line, entry),
            (None, None) => Item::Broken(self.line, "a record without `dn`".into()),
        }
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._;=*".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every record on a line, `name=value|value`; what is wrong in angle brackets.
    fn read(text: &[u8]) -> String {
        read_as("utf-8", text)
    }

    fn read_as(charset: &str, text: &[u8]) -> String {
        let mut reader = Reader::new(text, Charset::named(charset).unwrap());
        let mut lines = Vec::new();
        loop {
            match reader.next() {
                Ok(None) => break,
                Ok(Some(Item::Entry(line, entry))) => {
                    let mut shown = format!("{line} {}", entry.dn);
                    for attribute in entry.attributes {
                        let values: Vec<_> =
                            attribute.values.iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect();
                        shown.push_str(&format!(" {}={}", attribute.name, values.join("|")));
                    }
                    lines.push(shown);
                }
                Ok(Some(Item::Broken(line, reason))) => lines.push(format!("<{line} {reason}>")),
                Err(refused) => {
                    // Nobody asks where a file that is refused ends.
                    lines.push(format!("<<{} {}>>", refused.line, refused.what));
                    return lines.join("\n");
                }
            }
        }
        if reader.cut {
            lines.push("cut".into());
        }
        lines.join("\n")
    }

    #[test]
    fn records() {
        for (text, expected) in [
            ("", ""),
            ("version: 1\n", ""),
            ("version: 1\ndn: O=x\no: x\n", "2 O=x o=x"),
            ("version:1\n\ndn: O=x\no: x\n\n\n\ndn: O=y\no: y\n\n", "3 O=x o=x\n8 O=y o=y"),
            ("dn: O=x\r\no: x\r\n\r\n", "1 O=x o=x"),
            ("# hello\n there\ndn: O=x\n# in between\no: x\n", "3 O=x o=x"),
            ("dn: OU=a,\n O=x\ndescription: one \n two\n  three\n", "1 OU=a,O=x description=one two three"),
            ("dn:: Tz3DpA==\no:: w6Q=\n", "1 O=ä o=ä"),
            ("dn: O=x\no:: w6\n Q=\n", "1 O=x o=ä"),
            ("dn: O=x\no: a\nO: b\nl:c\nl:   d\nl:\n", "1 O=x o=a|b l=c|d|"),
            (
                "dn: O=x\ncn;lang-de: a\ncn: b\nuserCertificate;binary:: AA==\n",
                "1 O=x cn;lang-de=a cn=b userCertificate=\0",
            ),
            ("dn: O=x\no: x\ndn: O=y\no: y\n", "1 O=x o=x\n3 O=y o=y"),
            ("dn: O=x\no: x\ndn: OU=a,\n O=y\nou: a\n\ndn: O=z\n", "1 O=x o=x\n3 OU=a,O=y ou=a\n7 O=z"),
            ("dn:\nobjectClass: top\n", "1  objectClass=top"),
            ("\u{feff}dn: O=x\n", "1 O=x"),
            ("dn: O=x\no: a:b: c\n", "1 O=x o=a:b: c"),
            ("dn: O=x\nchangetype: add\no: x\n", "1 O=x o=x"),
        ] {
            assert_eq!(read(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn broken_records_do_not_hide_the_next() {
        let next = "\n\ndn: O=y\n";
        for (text, expected) in [
            ("dn: O=x\nnonsense", "<2 a line without a colon>\n4 O=y"),
            ("dn: O=x\no:: w6", "<2 the value of `o` is not whole base64>\n4 O=y"),
            ("dn: jane", "<1 `jane` is not a distinguished name>\n3 O=y"),
            ("dn:: /w==", "<1 a distinguished name that is not UTF-8: set `charset`>\n3 O=y"),
            ("o: x\no: y", "<1 a record that begins with `o`, not with `dn` (ldapsearch needs `-LLL`)>\n4 O=y"),
            ("dn: O=x\nö: x", "<2 a line that does not begin with the name of an attribute>\n4 O=y"),
        ] {
            assert_eq!(read(format!("{text}{next}").as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_file_that_was_cut_is_noticed() {
        let whole = b"dn: O=x\no: x\n\ndn: O=y\no:: eXl5\n";
        assert_eq!(read(whole), "1 O=x o=x\n4 O=y o=yyy");
        for end in 1..whole.len() {
            let shown = read(&whole[..end]);
            if whole[end - 1] == b'\n' {
                assert!(!shown.contains("cut"), "{end}: {shown}");
            } else {
                assert!(shown.ends_with(">\ncut"), "{end}: {shown}");
                assert!(!shown.contains("O=y o="), "{end}: {shown}");
            }
        }
    }

    #[test]
    fn refused_files() {
        for (text, expected) in [
            ("dn: O=x\nchangetype: modify\no: x\n", "<<2 `changetype: modify` is a change, not an entry>>"),
            ("dn: O=x\no:< file:///etc/passwd\n", "<<2 `o` refers to another file (`:<`), which is not read>>"),
            ("version: 2\n", "<<1 version `2` is not known>>"),
            ("a:<", "<<1 `a` refers to another file (`:<`), which is not read>>"),
        ] {
            assert_eq!(read(text.as_bytes()), expected);
        }
    }

    #[test]
    fn wide_files_read_like_narrow_ones() {
        // Characters with a line break or a blank as one of their two bytes; a pair cut by a fold; no mark.
        let text = "dn: O=x\r\no: \u{0a0d}\u{0d0a}\u{200a}\u{0a20}:\r\no: a\r\n b\r\n\r\ndn: O=\u{1f600}\n";
        let narrow = read(text.as_bytes());
        let units: Vec<u16> = text.encode_utf16().collect();
        let low: Vec<u8> = units.iter().copied().flat_map(u16::to_le_bytes).collect();
        let high: Vec<u8> = units.iter().copied().flat_map(u16::to_be_bytes).collect();
        assert_eq!(read_as("utf-16", &low), narrow);
        assert_eq!(read_as("utf-16be", &high), narrow);
        assert_eq!(read_as("utf-8", &[b"\xfe\xff".as_slice(), &high].concat()), narrow);
        let folded: Vec<u8> = "dn: O=x\no: \u{1f600}\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let fold = [&folded[..folded.len() - 4], b"\n\0 \0", &folded[folded.len() - 4..]].concat();
        assert_eq!(read_as("utf-16", &fold), "1 O=x o=\u{1f600}");
        for end in 1..low.len() {
            let shown = read_as("utf-16", &low[..end]);
            let whole = low[..end].ends_with(b"\n\0") && end % 2 == 0;
            assert_eq!(shown.ends_with("cut"), !whole, "{end}: {shown}");
        }
    }

    #[test]
    fn a_record_has_a_largest_size() {
        struct Endless;
        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                buffer.fill(b'x');
                Ok(buffer.len())
            }
        }
        let start: &[u8] = b"dn: O=x\no: ";
        let mut reader =
            Reader::new(std::io::BufReader::with_capacity(1 << 20, start.chain(Endless)), Charset::default());
        assert_eq!(reader.next().unwrap_err().what, "a record is larger than 64 MiB");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_to_their_end(text in r"(dn: O=x\n|o:: ?|[a-z:=# \r\n<]|\PC){0,40}") {
            let shown = read(text.as_bytes());
            let refused = shown.lines().last().is_some_and(|line| line.starts_with("<<"));
            assert_eq!(shown.ends_with("cut"), !text.is_empty() && !text.ends_with('\n') && !refused, "{shown}");
        }
    }
}
