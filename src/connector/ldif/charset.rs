//! How the bytes of a file become text. RFC 2849 says UTF-8; exports of old tools are not, and `ldifde -u` writes UTF-16.
//!
//! Knows neither lines nor records, only where a line ends.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use serde::{Deserialize, Deserializer, de};

/// The character set of a file. Two bytes a unit in UTF-16; in all others the lower half is ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charset(&'static Encoding);

impl Default for Charset {
    fn default() -> Self {
        Charset(UTF_8)
    }
}

impl<'de> Deserialize<'de> for Charset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let label = String::deserialize(deserializer)?;
        Charset::named(&label).ok_or_else(|| {
            let known = "utf-8, utf-16, windows-1252, iso-8859-1, iso-8859-15, shift_jis, gb18030";
            de::Error::custom(format!("there is no charset `{label}`; there are {known} and others of the web"))
        })
    }
}

impl Charset {
    /// By a name that the web uses; nothing where ASCII would not be ASCII, for then lines cannot be told apart.
    pub(super) fn named(label: &str) -> Option<Charset> {
        let encoding = Encoding::for_label(label.as_bytes())?;
        (encoding.is_ascii_compatible() || Charset(encoding).is_wide()).then_some(Charset(encoding))
    }

    /// What the mark at the start of a file says, and how long it is. It outdoes the configuration: no file of another
    /// charset begins like that.
    pub(super) fn marked(start: &[u8]) -> Option<(Charset, usize)> {
        Encoding::for_bom(start).map(|(encoding, length)| (Charset(encoding), length))
    }

    fn is_wide(self) -> bool {
        self.0 == UTF_16LE || self.0 == UTF_16BE
    }

    /// The name for messages, with what to do when it is not the right one.
    pub(crate) fn advice(self) -> String {
        let advice = if self.0 == UTF_8 { "set" } else { "is that the right" };
        let mark = if self.0 == UTF_8 { "" } else { "?" };
        format!("{}: {advice} `charset`{mark}", self.0.name())
    }

    /// An ASCII character as it stands in the file.
    pub(super) fn character(self, character: u8, room: &mut [u8; 2]) -> &[u8] {
        let (bytes, length) = match self.0 {
            wide if wide == UTF_16LE => ([character, 0], 2),
            wide if wide == UTF_16BE => ([0, character], 2),
            _ => ([character, 0], 1),
        };
        *room = bytes;
        room.split_at(length).0
    }

    /// Whether bytes that have just got the byte of a line break need another, which a wide low byte comes before.
    pub(super) fn wants_more(self, line: &[u8]) -> bool {
        self.0 == UTF_16LE && !line.len().is_multiple_of(2)
    }

    /// Whether the bytes of a line end in a line break.
    pub(super) fn ends_line(self, line: &[u8]) -> bool {
        let mut room = [0; 2];
        (!self.is_wide() || line.len().is_multiple_of(2)) && line.ends_with(self.character(b'\n', &mut room))
    }

    /// A line as UTF-8, and whether it was text. UTF-8 stays as it is; elsewhere, what is no text is replaced.
    pub(super) fn line(self, bytes: Vec<u8>) -> (Vec<u8>, bool) {
        if self.0 == UTF_8 {
            let sound = std::str::from_utf8(&bytes).is_ok();
            return (bytes, sound);
        }
        let (text, wrong) = self.0.decode_without_bom_handling(&bytes);
        (text.into_owned().into_bytes(), !wrong)
    }

    /// Text that stood in base64. Directories speak UTF-8, whatever the charset of the file around it; old ones did not.
    pub(crate) fn value(self, bytes: &[u8]) -> Option<String> {
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Some(text.to_owned());
        }
        if self.is_wide() {
            return None;
        }
        let text = self.0.decode_without_bom_handling_and_without_replacement(bytes)?;
        Some(text.into_owned())
    }
}
