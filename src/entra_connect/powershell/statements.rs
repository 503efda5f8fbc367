//! Tokens to statements: where each begins and ends, and the blocks around them. Knows no command.

use super::tokens::{Bracket, Broken, Kind, Stop, Token};

/// How deep brackets may stand in each other.
const MAX_DEPTH: usize = 64;

/// A part of a script.
#[derive(Debug)]
pub(super) enum Part {
    /// Tokens up to the end of the line, or of what goes on after it. Never none.
    Statement(Vec<Token>),
    /// `{` of a function, a loop, a condition or a script block.
    Opens,
    /// Its `}`.
    Closes,
}

/// The parts of a script.
pub(super) fn parts(tokens: Vec<Token>) -> Result<Vec<Part>, Broken> {
    let mut parts = Vec::new();
    let mut statement: Vec<Token> = Vec::new();
    let mut open: Vec<(Bracket, usize)> = Vec::new();
    let mut blocks: Vec<usize> = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match (&token.kind, open.is_empty()) {
            (Kind::Open(Bracket::Curly), true) => {
                finish(&mut parts, &mut statement);
                parts.push(Part::Opens);
                blocks.push(token.line);
            }
            (Kind::Close(Bracket::Curly), true) => {
                finish(&mut parts, &mut statement);
                parts.push(Part::Closes);
                blocks.pop();
            }
            (Kind::End(Stop::Semicolon), true) => finish(&mut parts, &mut statement),
            (Kind::End(Stop::Line), true) => {
                while tokens.next_if(|next| next.kind == Kind::End(Stop::Line)).is_some() {}
                let goes_on = statement.last().is_some_and(|last| wants_more(&last.kind))
                    || tokens.peek().is_some_and(|next| continues(&next.kind));
                if !goes_on {
                    finish(&mut parts, &mut statement);
                }
            }
            _ => {
                track(&mut open, &token)?;
                statement.push(token);
            }
        }
    }
    finish(&mut parts, &mut statement);
    let unclosed = open.last().map(|(_, line)| *line).or(blocks.last().copied());
    match unclosed {
        Some(line) => Err(Broken {
            line,
            message: "a bracket that opens here is not closed".into(),
            hint: "close it, or close the quote that swallowed its end",
        }),
        None => Ok(parts),
    }
}

fn finish(parts: &mut Vec<Part>, statement: &mut Vec<Token>) {
    if !statement.is_empty() {
        parts.push(Part::Statement(std::mem::take(statement)));
    }
}

/// Whether a statement cannot end with this token.
fn wants_more(kind: &Kind) -> bool {
    matches!(kind, Kind::Pipe | Kind::Comma | Kind::Equals | Kind::PlusEquals | Kind::Plus)
}

/// Whether a line that begins so belongs to the one before it: web pages lose the back-ticks.
fn continues(kind: &Kind) -> bool {
    matches!(kind, Kind::Parameter(_) | Kind::Pipe | Kind::Comma)
}

fn track(open: &mut Vec<(Bracket, usize)>, token: &Token) -> Result<(), Broken> {
    let fits =
        |opened: Bracket, closed: Bracket| opened == closed || (opened == Bracket::Table && closed == Bracket::Curly);
    let broken =
        |message: String| Err(Broken { line: token.line, message, hint: "check the brackets of the lines above it" });
    match token.kind {
        Kind::Open(bracket) => {
            open.push((bracket, token.line));
            if open.len() > MAX_DEPTH {
                return broken(format!("brackets are more than {MAX_DEPTH} deep here"));
            }
        }
        Kind::Close(closed) => match open.pop() {
            Some((opened, _)) if fits(opened, closed) => {}
            Some((_, line)) => {
                return broken(format!("a bracket closes here, but not the one that opens on line {line}"));
            }
            None => return broken("a bracket closes here that was not opened".into()),
        },
        Kind::Word(_)
        | Kind::Parameter(_)
        | Kind::Text(..)
        | Kind::Variable(_)
        | Kind::Splat(_)
        | Kind::Member(_)
        | Kind::Static(_)
        | Kind::Comma
        | Kind::End(_)
        | Kind::Pipe
        | Kind::Equals
        | Kind::PlusEquals
        | Kind::Plus => {}
    }
    Ok(())
}
