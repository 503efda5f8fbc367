//! PowerShell text to tokens. Knows neither statements nor rules.

use super::texts::{self, Piece};

/// A token, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Token {
    /// What it is.
    pub(super) kind: Kind,
    /// The first byte.
    pub(super) start: usize,
    /// The byte after the last.
    pub(super) end: usize,
    /// The line of the first byte, from 1.
    pub(super) line: usize,
    /// Whether it follows the token before it without a blank.
    pub(super) glued: bool,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `New-ADSyncRule`, `100`.
    Word(String),
    /// `-Name`, without the dash and the colon.
    Parameter(String),
    /// Quoted text, with its variables not yet filled in, and the line of its first character that is not blank.
    Text(Vec<Piece>, usize),
    /// `$name`, without the dollar and the scope.
    Variable(String),
    /// `@name`.
    Splat(String),
    /// `.Name` after something.
    Member(String),
    /// `::new` after something.
    Static(String),
    /// What opens.
    Open(Bracket),
    /// What closes.
    Close(Bracket),
    /// `,`.
    Comma,
    /// The end of a line, or a semicolon.
    End(Stop),
    /// `|`.
    Pipe,
    /// `=`.
    Equals,
    /// `+=`.
    PlusEquals,
    /// `+`.
    Plus,
}

/// What ends a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The end of a line.
    Line,
    /// `;`.
    Semicolon,
}

/// What opens and closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bracket {
    /// `(`, `@(`, `$(`.
    Round,
    /// `[`.
    Square,
    /// `@{`.
    Table,
    /// `{`, and what closes it or a table.
    Curly,
}

/// Why text is not PowerShell.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) line: usize,
    pub(super) message: String,
    pub(super) hint: &'static str,
}

/// What was read although PowerShell for people writes it otherwise: the first line of each.
#[derive(Default)]
pub(super) struct Oddities {
    /// Quotes of word processors.
    pub(super) quotes: Option<usize>,
    /// Dashes of word processors.
    pub(super) dashes: Option<usize>,
}

/// A place in the text.
pub(super) struct Cursor<'t> {
    /// All of it.
    pub(super) text: &'t str,
    /// The byte that comes next.
    pub(super) at: usize,
    pub(super) line: usize,
    /// What was odd up to here.
    pub(super) oddities: Oddities,
}

impl<'t> Cursor<'t> {
    /// What is left.
    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next character.
    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Takes the next character.
    pub(super) fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        self.line += usize::from(c == '\n');
        Some(c)
    }

    /// Takes so many bytes.
    pub(super) fn skip(&mut self, bytes: usize) {
        let end = self.at + bytes;
        while self.at < end && self.bump().is_some() {}
    }

    /// Takes characters as long as they please.
    pub(super) fn take_while(&mut self, pleases: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c: char| !pleases(c)).unwrap_or(rest.len());
        self.skip(end);
        rest.get(..end).unwrap_or_default()
    }
}

/// A dash, as keyboards or as word processors make it.
pub(super) fn is_dash(c: char) -> bool {
    matches!(c, '-' | '\u{2013}' | '\u{2014}' | '\u{2015}')
}

/// All tokens of a text, whose lines end in `\n` alone.
pub(super) fn tokens(text: &str) -> Result<(Vec<Token>, Oddities), Broken> {
    let mut cursor = Cursor { text, at: 0, line: 1, oddities: Oddities::default() };
    let mut tokens: Vec<Token> = Vec::new();
    loop {
        let blank = blanks(&mut cursor)?;
        let (start, line) = (cursor.at, cursor.line);
        let glued = !blank && !tokens.is_empty();
        let value = glued && tokens.last().is_some_and(|last| is_value(&last.kind));
        let Some(kind) = token(&mut cursor, value)? else { return Ok((tokens, cursor.oddities)) };
        tokens.push(Token { kind, start, end: cursor.at, line, glued });
    }
}

/// Goes past blanks, comments and lines that a back-tick makes one. Says whether there was any.
fn blanks(cursor: &mut Cursor<'_>) -> Result<bool, Broken> {
    let start = cursor.at;
    loop {
        let rest = cursor.rest();
        if rest.starts_with("<#") {
            let Some(end) = rest.find("#>") else {
                return Err(Broken {
                    line: cursor.line,
                    message: "the comment that begins here with `<#` has no end".into(),
                    hint: "end it with `#>`",
                });
            };
            cursor.skip(end + 2);
        } else if rest.starts_with('#') {
            cursor.take_while(|c| c != '\n');
        } else if let Some(after) = rest.strip_prefix('`').map(|after| after.trim_start_matches([' ', '\t', '\u{a0}']))
        {
            // Blanks after the back-tick are a slip that web pages make.
            if !after.is_empty() && !after.starts_with('\n') {
                return Ok(cursor.at > start);
            }
            cursor.skip(rest.len() - after.len() + 1);
        } else if rest.starts_with(|c: char| c != '\n' && c.is_whitespace()) {
            cursor.bump();
        } else {
            return Ok(cursor.at > start);
        }
    }
}

fn is_value(kind: &Kind) -> bool {
    match kind {
        Kind::Variable(_) | Kind::Close(_) | Kind::Member(_) | Kind::Static(_) | Kind::Text(..) => true,
        Kind::Word(_)
        | Kind::Parameter(_)
        | Kind::Splat(_)
        | Kind::Open(_)
        | Kind::Comma
        | Kind::End(_)
        | Kind::Pipe
        | Kind::Equals
        | Kind::PlusEquals
        | Kind::Plus => false,
    }
}

fn token(cursor: &mut Cursor<'_>, after_value: bool) -> Result<Option<Kind>, Broken> {
    let rest = cursor.rest();
    let Some(first) = rest.chars().next() else { return Ok(None) };
    let second = rest.chars().nth(1).unwrap_or(' ');
    if texts::begins(rest) {
        return texts::text(cursor).map(|(pieces, line)| Some(Kind::Text(pieces, line)));
    }
    if after_value && rest.starts_with("::") {
        cursor.skip(2);
        return Ok(Some(Kind::Static(cursor.take_while(is_name).to_owned())));
    }
    if after_value && first == '.' && is_name(second) {
        cursor.skip(1);
        return Ok(Some(Kind::Member(cursor.take_while(is_name).to_owned())));
    }
    if is_dash(first) && second.is_alphabetic() {
        return Ok(Some(parameter(cursor)));
    }
    let (kind, bytes) = match (first, second) {
        ('@', '(') | ('$', '(') => (Kind::Open(Bracket::Round), 2),
        ('@', '{') => (Kind::Open(Bracket::Table), 2),
        ('(', _) => (Kind::Open(Bracket::Round), 1),
        (')', _) => (Kind::Close(Bracket::Round), 1),
        ('[', _) => (Kind::Open(Bracket::Square), 1),
        (']', _) => (Kind::Close(Bracket::Square), 1),
        ('{', _) => (Kind::Open(Bracket::Curly), 1),
        ('}', _) => (Kind::Close(Bracket::Curly), 1),
        (',', _) => (Kind::Comma, 1),
        (';', _) => (Kind::End(Stop::Semicolon), 1),
        ('\n', _) => (Kind::End(Stop::Line), 1),
        ('|', _) => (Kind::Pipe, 1),
        ('=', _) => (Kind::Equals, 1),
        ('+', '=') => (Kind::PlusEquals, 2),
        ('+', _) => (Kind::Plus, 1),
        ('@', c) if is_name(c) => return Ok(Some(splat(cursor))),
        ('$', _) => return variable(cursor).map(Some),
        _ => return Ok(Some(word(cursor))),
    };
    cursor.skip(bytes);
    Ok(Some(kind))
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn parameter(cursor: &mut Cursor<'_>) -> Kind {
    let (line, dash) = (cursor.line, cursor.bump());
    if dash != Some('-') {
        cursor.oddities.dashes.get_or_insert(line);
    }
    let name = cursor.take_while(is_name).to_owned();
    if cursor.peek() == Some(':') {
        cursor.bump();
    }
    Kind::Parameter(name)
}

fn splat(cursor: &mut Cursor<'_>) -> Kind {
    cursor.skip(1);
    Kind::Splat(cursor.take_while(is_name).to_lowercase())
}

fn variable(cursor: &mut Cursor<'_>) -> Result<Kind, Broken> {
    let line = cursor.line;
    cursor.skip(1);
    texts::variable_name(cursor).map(Kind::Variable).ok_or_else(|| Broken {
        line,
        message: "`${` has no end".into(),
        hint: "end the name of the variable with `}`",
    })
}

fn word(cursor: &mut Cursor<'_>) -> Kind {
    let line = cursor.line;
    // Whatever the first character is, it is taken: what cannot be read must not stand still.
    let first = cursor.bump().map(String::from).unwrap_or_default();
    let more = cursor.take_while(|c| !c.is_whitespace() && !"'\"(){}[],;|=$`".contains(c) && !texts::is_quote(c));
    let word = first + more;
    if word.contains(|c| is_dash(c) && c != '-') {
        cursor.oddities.dashes.get_or_insert(line);
    }
    Kind::Word(word.replace(is_dash, "-"))
}
