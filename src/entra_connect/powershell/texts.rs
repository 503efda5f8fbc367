//! Quoted text of PowerShell, with the variables in it. Knows no other token.

use super::tokens::{Broken, Cursor};

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// As it is.
    Plain(String),
    /// The value of a variable.
    Variable(String),
    /// The result of `$( )`, which only running it would tell.
    Unknown(String),
}

const SINGLE: [char; 5] = ['\'', '\u{2018}', '\u{2019}', '\u{201a}', '\u{201b}'];
const DOUBLE: [char; 4] = ['"', '\u{201c}', '\u{201d}', '\u{201e}'];

/// A quote, as keyboards or as word processors make it. PowerShell takes both.
pub(super) fn is_quote(c: char) -> bool {
    SINGLE.contains(&c) || DOUBLE.contains(&c)
}

/// Whether a quoted text begins here.
pub(super) fn begins(rest: &str) -> bool {
    rest.strip_prefix('@').unwrap_or(rest).starts_with(is_quote)
}

/// How a text ends.
#[derive(Clone, Copy)]
enum Ending {
    /// A quote that is not doubled.
    Quote,
    /// A quote and `@` on a line of their own.
    Here,
}

/// Reads a text, and the line of its first character that is not blank.
pub(super) fn text(cursor: &mut Cursor<'_>) -> Result<(Vec<Piece>, usize), Broken> {
    let opening = cursor.line;
    let ending = if cursor.peek() == Some('@') { Ending::Here } else { Ending::Quote };
    if matches!(ending, Ending::Here) {
        cursor.bump();
    }
    let quote = cursor.bump().unwrap_or('"');
    if !matches!(quote, '\'' | '"') {
        cursor.oddities.quotes.get_or_insert(opening);
    }
    if matches!(ending, Ending::Here) {
        cursor.take_while(|c| c != '\n' && c.is_whitespace());
        if cursor.bump() != Some('\n') {
            return Err(Broken {
                line: opening,
                message: format!("the text that begins here with `@{quote}` must begin on the next line"),
                hint: "break the line after the quote",
            });
        }
    }
    let (from, line) = (cursor.at, cursor.line);
    let pieces = if SINGLE.contains(&quote) { plain(cursor, ending) } else { filled(cursor, ending) };
    let pieces = pieces.ok_or_else(|| Broken {
        line: opening,
        message: match ending {
            Ending::Quote => format!("the text that begins here with `{quote}` has no end"),
            Ending::Here => format!("the text that begins here with `@{quote}` has no end"),
        },
        hint: match ending {
            Ending::Quote => "close the quote; a quote inside is written twice",
            Ending::Here => "end it with the quote and `@` at the start of a line",
        },
    })?;
    let raw = cursor.text.get(from..cursor.at).unwrap_or_default();
    let blank = raw.len() - raw.trim_start().len();
    Ok((pieces, line + raw.get(..blank).unwrap_or_default().matches('\n').count()))
}

/// The number of bytes of what ends a text here.
fn closes(rest: &str, ending: Ending, quotes: &[char]) -> Option<usize> {
    match ending {
        Ending::Quote => {
            let first = rest.chars().next().filter(|c| quotes.contains(c))?;
            let doubled = rest.chars().nth(1).is_some_and(|c| quotes.contains(&c));
            (!doubled).then_some(first.len_utf8())
        }
        Ending::Here => {
            let line = rest.strip_prefix('\n')?;
            let mark = line.trim_start_matches([' ', '\t']);
            let after = mark.strip_prefix(quotes)?.strip_prefix('@')?;
            Some(rest.len() - after.len())
        }
    }
}

/// Text between single quotes: nothing in it means anything but a doubled quote. Nothing where it does not end.
fn plain(cursor: &mut Cursor<'_>, ending: Ending) -> Option<Vec<Piece>> {
    let mut text = String::new();
    loop {
        if let Some(bytes) = ended(cursor, ending, &SINGLE, text.is_empty()) {
            cursor.skip(bytes);
            return Some(vec![Piece::Plain(text)]);
        }
        let c = cursor.bump()?;
        text.push(c);
        if matches!(ending, Ending::Quote) && SINGLE.contains(&c) {
            cursor.bump();
        }
    }
}

/// Whether the text ends here. The line end before the text of a here-string may be the one before its end too.
fn ended(cursor: &Cursor<'_>, ending: Ending, quotes: &[char], empty: bool) -> Option<usize> {
    let rest = cursor.rest();
    let own = closes(rest, ending, quotes);
    if own.is_some() || !empty || matches!(ending, Ending::Quote) {
        return own;
    }
    let before = cursor.text.get(cursor.at.checked_sub(1)?..)?;
    closes(before, ending, quotes).map(|bytes| bytes - 1)
}

/// Text between double quotes: back-ticks and variables mean something.
fn filled(cursor: &mut Cursor<'_>, ending: Ending) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    loop {
        if let Some(bytes) = ended(cursor, ending, &DOUBLE, text.is_empty() && pieces.is_empty()) {
            cursor.skip(bytes);
            pieces.push(Piece::Plain(text));
            return Some(pieces);
        }
        let piece = match (cursor.peek()?, cursor.rest().chars().nth(1)) {
            ('$', Some(c)) if c == '(' || c == '{' || c.is_alphanumeric() || c == '_' => inserted(cursor)?,
            ('`', _) => {
                cursor.bump();
                text.push(escaped(cursor.bump()?));
                continue;
            }
            (c, _) => {
                cursor.bump();
                text.push(c);
                if matches!(ending, Ending::Quote) && DOUBLE.contains(&c) {
                    cursor.bump();
                }
                continue;
            }
        };
        pieces.push(Piece::Plain(std::mem::take(&mut text)));
        pieces.push(piece);
    }
}

/// What a character means after a back-tick.
fn escaped(c: char) -> char {
    match c {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        '0' => '\0',
        other => other,
    }
}

fn inserted(cursor: &mut Cursor<'_>) -> Option<Piece> {
    let from = cursor.at;
    cursor.bump();
    if cursor.peek() != Some('(') {
        return variable_name(cursor).map(Piece::Variable);
    }
    let mut depth = 0_usize;
    loop {
        match cursor.bump()? {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(Piece::Unknown(cursor.text.get(from..cursor.at).unwrap_or_default().to_owned()));
        }
    }
}

/// The name of a variable after its dollar, in small letters and without its scope. Nothing where `{` has no end.
pub(super) fn variable_name(cursor: &mut Cursor<'_>) -> Option<String> {
    let name = if cursor.peek() == Some('{') {
        cursor.bump();
        let name = cursor.take_while(|c| c != '}' && c != '\n');
        cursor.bump().filter(|c| *c == '}')?;
        name.to_lowercase()
    } else {
        let mut name = cursor.take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '?')).to_lowercase();
        let scoped = cursor
            .rest()
            .strip_prefix(':')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'));
        if scoped {
            cursor.bump();
            name = format!("{name}:{}", cursor.take_while(|c| c.is_alphanumeric() || c == '_').to_lowercase());
        }
        name
    };
    let scopes = ["script:", "global:", "local:", "private:"];
    let plain = scopes.iter().find_map(|scope| name.strip_prefix(scope)).map(str::to_owned);
    Some(plain.unwrap_or(name))
}
