//! YAML text to documents of nodes with lines. Knows nothing of rules.
//!
//! Aliases are copied, up to a limit, so that a small file cannot fill the memory.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput};

use super::super::tree::{Node, What};

/// How deep lists and tables may stand in each other.
const MAX_DEPTH: usize = 64;
/// How much all aliases of a file may add: nodes and characters.
const MAX_COPIED: usize = 4_000_000;

/// Why text is not YAML, or not YAML for us.
pub(super) struct Broken {
    /// From 1.
    pub(super) line: usize,
    /// What is wrong.
    pub(super) message: String,
}

/// All documents of a text.
pub(super) fn documents(text: &str) -> Result<Vec<Node>, Broken> {
    let mut loading = Loading {
        parser: Parser::new_from_str(text),
        lines: text.lines().collect(),
        anchors: BTreeMap::new(),
        copied: 0,
    };
    let mut documents = Vec::new();
    while let Some((event, span)) = loading.next()? {
        match event {
            Event::StreamEnd => break,
            Event::Nothing | Event::StreamStart | Event::DocumentEnd => {}
            // The ids of anchors go on counting, but their names end with a document.
            Event::DocumentStart(_) => loading.anchors.clear(),
            event => documents.push(loading.node(event, span, 0)?.0),
        }
    }
    Ok(documents)
}

struct Loading<'t> {
    parser: Parser<'t, StrInput<'t>>,
    lines: Vec<&'t str>,
    /// Nodes that may be named again, and how large each is.
    anchors: BTreeMap<usize, (Node, usize)>,
    copied: usize,
}

impl<'t> Loading<'t> {
    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, Broken> {
        let broken = |error: saphyr_parser::ScanError| Broken {
            line: error.marker().line().max(1),
            message: format!("this is not YAML: {}", error.info()),
        };
        self.parser.next_event().transpose().map_err(broken)
    }

    fn inner(&mut self, at: Marker) -> Result<(Event<'t>, Span), Broken> {
        let end = || Broken { line: at.line(), message: "the file ends inside what begins here".into() };
        self.next()?.ok_or_else(end)
    }

    /// A node and its size.
    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<(Node, usize), Broken> {
        let line = span.start.line();
        if depth > MAX_DEPTH {
            return Err(Broken { line, message: format!("lists and tables are more than {MAX_DEPTH} deep here") });
        }
        let (anchor, what, text_line, size) = match event {
            Event::Alias(id) => return self.copy(id, line),
            Event::Scalar(text, style, anchor, _) => {
                let null = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let size = text.len() + 1;
                let what = if null { What::Null } else { What::Scalar(text.into_owned()) };
                (anchor, what, self.text_line(span.start, style), size)
            }
            Event::SequenceStart(anchor, _) => {
                let (items, size) = self.items(span.start, depth)?;
                (anchor, What::List(items), line, size)
            }
            Event::MappingStart(anchor, _) => {
                let (entries, size) = self.entries(span.start, depth)?;
                (anchor, What::Table(entries), line, size)
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => return Err(Broken { line, message: "a value is missing here".into() }),
        };
        let node = Node { what, line, text_line };
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        Ok((node, size))
    }

    fn copy(&mut self, id: usize, line: usize) -> Result<(Node, usize), Broken> {
        let Some((node, size)) = self.anchors.get(&id) else {
            return Err(Broken { line, message: "an alias stands inside what it names, or names nothing".into() });
        };
        self.copied += size;
        if self.copied > MAX_COPIED {
            return Err(Broken { line, message: "the aliases of this file repeat too much".into() });
        }
        Ok((node.clone(), *size))
    }

    fn items(&mut self, at: Marker, depth: usize) -> Result<(Vec<Node>, usize), Broken> {
        let (mut items, mut total) = (Vec::new(), 1);
        loop {
            match self.inner(at)? {
                (Event::SequenceEnd, _) => return Ok((items, total)),
                (event, span) => {
                    let (node, size) = self.node(event, span, depth + 1)?;
                    items.push(node);
                    total += size;
                }
            }
        }
    }

    fn entries(&mut self, at: Marker, depth: usize) -> Result<(Vec<(String, Node)>, usize), Broken> {
        let (mut entries, mut total) = (Vec::new(), 1);
        loop {
            let (event, span) = self.inner(at)?;
            if event == Event::MappingEnd {
                return Ok((entries, total));
            }
            let (key, key_size) = self.node(event, span, depth + 1)?;
            let Some(name) = key.scalar() else {
                return Err(Broken { line: key.line, message: format!("a key is {} here, not text", key.kind()) });
            };
            let (event, span) = self.inner(at)?;
            let (node, size) = self.node(event, span, depth + 1)?;
            entries.push((name.to_owned(), node));
            total += key_size + size;
        }
    }

    /// The line of the first character of a scalar that is not blank.
    fn text_line(&self, start: Marker, style: ScalarStyle) -> usize {
        let first = start.line();
        let line = self.lines.get(first.saturating_sub(1)).copied().unwrap_or_default();
        let mut from = line.chars().skip(start.col());
        let begins_here = match style {
            ScalarStyle::Plain => return first,
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => from.skip(1).any(|c| !c.is_whitespace()),
            // The library may mean the mark of a block or its first line.
            ScalarStyle::Literal | ScalarStyle::Folded => {
                from.next().is_some_and(|c| !matches!(c, '|' | '>')) && !line.trim().is_empty()
            }
        };
        if begins_here {
            return first;
        }
        let after = self.lines.iter().skip(first).position(|line| !line.trim().is_empty());
        after.map_or(first, |offset| first + offset + 1)
    }
}
