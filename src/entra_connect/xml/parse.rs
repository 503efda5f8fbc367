//! From XML to a tree. No document type, no entities of a file's own, and limits on depth, number and names, so that no
//! file can take more than its size is worth.
//!
//! Knows how XML is written; not what any element means.

use std::path::Path;

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::reader::NsReader;

use super::tree::{Element, Space, breaks};
use super::unreadable;
use crate::entra_connect::export::Unreadable;

/// Real files go ten deep.
const DEEPEST: usize = 200;
/// A connector to a directory with a large schema has fifty thousand.
const MOST_ELEMENTS: usize = 500_000;
/// On one element. Real files have five.
const MOST_ATTRIBUTES: usize = 64;
/// Of the name of an element or attribute. Real files have thirty characters.
const LONGEST_NAME: usize = 200;

const COMPLETE: &str = "is the file complete, and as it was exported?";

/// The root of a text with line ends of LF; nothing where the text is not XML at all.
pub(super) fn parse(text: &str, file: &Path) -> Result<Option<Element>, Unreadable> {
    if !begins_like_xml(text) {
        return Ok(None);
    }
    let mut reader = NsReader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut growth = Growth { file, open: Vec::new(), root: None, elements: 0 };
    let mut lines = Lines { text, offset: 0, line: 1 };
    loop {
        let line = lines.at(reader.buffer_position());
        let event = reader.read_event().map_err(|error| {
            let line = Lines { text, offset: 0, line: 1 }.at(reader.error_position());
            growth.broken(line, error)
        })?;
        match event {
            Event::Start(start) => {
                let (bound, local) = reader.resolver().resolve_element(start.name());
                growth.open(space(&bound), local.into_inner().to_owned(), &start, line)?;
            }
            Event::End(_) => growth.close(),
            Event::Text(content) => growth.text(&content, line)?,
            Event::CData(content) => growth.text(&content, line)?,
            Event::GeneralRef(reference) => growth.reference(&reference, line)?,
            Event::DocType(_) => return Err(growth.doctype(line)),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => return growth.end(line).map(Some),
        }
    }
}

/// PowerShell may begin with `<#`; the rest of what is read here never begins with `<`.
fn begins_like_xml(text: &str) -> bool {
    let next = text.trim_start().strip_prefix('<').and_then(|rest| rest.chars().next());
    next.is_some_and(|next| next.is_alphabetic() || matches!(next, '_' | '!' | '?'))
}

fn space(bound: &ResolveResult<'_>) -> Space {
    match bound {
        ResolveResult::Bound(Namespace("http://www.dsml.org/DSML")) => Space::Dsml,
        ResolveResult::Bound(_) | ResolveResult::Unbound | ResolveResult::Unknown(_) => Space::Other,
    }
}

/// Counts lines along the way: each line of a file once.
struct Lines<'a> {
    text: &'a str,
    offset: usize,
    line: usize,
}

impl Lines<'_> {
    fn at(&mut self, offset: u64) -> usize {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(self.text.len());
        let passed = self.text.as_bytes().get(self.offset..offset).unwrap_or_default();
        self.line += passed.iter().filter(|byte| **byte == b'\n').count();
        self.offset = self.offset.max(offset);
        self.line
    }
}

/// A tree that is growing.
struct Growth<'a> {
    file: &'a Path,
    /// The root and what is open below it. INVARIANT: never more than `DEEPEST`.
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
}

impl Growth<'_> {
    fn open(&mut self, space: Space, name: String, start: &BytesStart<'_>, line: usize) -> Result<(), Unreadable> {
        self.check_name(&name, line)?;
        if self.root.is_some() {
            let message = format!("`<{name}>` stands behind the end of the root element");
            return Err(self.unreadable(line, message, "is it several files in one?"));
        }
        if self.open.len() >= DEEPEST {
            let message = format!("elements are nested more than {DEEPEST} deep");
            return Err(self.unreadable(line, message, COMPLETE));
        }
        self.elements += 1;
        if self.elements > MOST_ELEMENTS {
            let message = format!("there are more than {MOST_ELEMENTS} elements");
            return Err(self.unreadable(line, message, "no export has that many: is it the right file?"));
        }
        let attributes = self.attributes(start, line)?;
        let (text, children) = (String::new(), Vec::new());
        self.open.push(Element { space, name, text, line, text_line: None, children, attributes });
        Ok(())
    }

    /// The reader takes everything up to a blank for a name, even if the rest of the file is.
    fn check_name(&self, name: &str, line: usize) -> Result<(), Unreadable> {
        let proper = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-' | '.' | ':');
        if !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(proper) {
            return Ok(());
        }
        Err(self.unreadable(line, format!("`{name}` is no name of an element or attribute"), COMPLETE))
    }

    /// Those without a prefix. The others hold nothing that is read.
    fn attributes(&self, start: &BytesStart<'_>, line: usize) -> Result<Vec<(String, String)>, Unreadable> {
        let mut attributes = Vec::<(String, String)>::new();
        let mut all = start.attributes();
        // The check for doubles compares each with each: it is made below, for those few that are kept.
        for (index, attribute) in all.with_checks(false).enumerate() {
            let attribute = attribute.map_err(|error| self.broken(line, error))?;
            if index >= MOST_ATTRIBUTES {
                let message = format!("an element has more than {MOST_ATTRIBUTES} attributes");
                return Err(self.unreadable(line, message, COMPLETE));
            }
            if attribute.key.prefix().is_some() || attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            let key = attribute.key.into_inner().to_owned();
            self.check_name(&key, line)?;
            if attributes.iter().any(|(other, _)| *other == key) {
                return Err(self.unreadable(line, format!("the attribute `{key}` stands there twice"), COMPLETE));
            }
            let value =
                attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| self.broken(line, error))?;
            attributes.push((key, value.into_owned()));
        }
        Ok(attributes)
    }

    fn close(&mut self) {
        let Some(mut element) = self.open.pop() else { return };
        element.close();
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn text(&mut self, text: &str, line: usize) -> Result<(), Unreadable> {
        match self.open.last_mut() {
            Some(element) => element.add(text, line),
            None if text.trim().is_empty() => {}
            None => {
                let blanks = text.len() - text.trim_start().len();
                let line = line + breaks(text.get(..blanks).unwrap_or_default());
                return Err(self.unreadable(line, "there is text outside of the root element".to_owned(), COMPLETE));
            }
        }
        Ok(())
    }

    /// `&amp;` and its four sisters, and characters by their numbers.
    fn reference(&mut self, reference: &BytesRef<'_>, line: usize) -> Result<(), Unreadable> {
        if let Some(character) = reference.resolve_char_ref().map_err(|error| self.broken(line, error))? {
            return self.text(character.encode_utf8(&mut [0; 4]), line);
        }
        let name: &str = reference;
        match resolve_predefined_entity(name) {
            Some(text) => self.text(text, line),
            None => {
                let hint = "XML has `&lt;`, `&gt;`, `&amp;`, `&quot;` and `&apos;` by itself, and an export no others";
                Err(self.unreadable(line, format!("the entity `&{name};` is unknown"), hint))
            }
        }
    }

    fn end(mut self, line: usize) -> Result<Element, Unreadable> {
        if let Some(element) = self.open.last() {
            let message = format!("the file ends inside of `<{}>`, which began in line {}", element.name, element.line);
            return Err(self.unreadable(line, message, COMPLETE));
        }
        self.root.take().ok_or_else(|| self.unreadable(line, "there is no element in it".to_owned(), COMPLETE))
    }

    fn doctype(&self, line: usize) -> Unreadable {
        let hint = "exports have none, and it could make the program read other files: is it the right file?";
        self.unreadable(line, "there is a document type (`<!DOCTYPE`), which is not read".to_owned(), hint)
    }

    /// What the XML reader says, after what it is about.
    fn broken(&self, line: usize, error: impl std::fmt::Display) -> Unreadable {
        self.unreadable(line, format!("it is not well-formed XML: {error}"), COMPLETE)
    }

    fn unreadable(&self, line: usize, message: String, hint: &str) -> Unreadable {
        unreadable(self.file, line, message, hint)
    }
}
