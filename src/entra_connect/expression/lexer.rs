//! The words of an expression.

use std::ops::Range;

use super::Problem;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Text(String),
    Integer(i64),
    Decimal(String),
    Name(String),
    Attribute(String),
    Parameter(String),
    Variable(String),
    /// `(`, `)`, `,` and operators.
    Sign(&'static str),
    End,
}

pub(super) struct Lexed {
    /// The last one is the end.
    pub(super) tokens: Vec<(Token, Range<usize>)>,
    pub(super) warnings: Vec<Problem>,
}

const SIGNS: [&str; 17] = ["||", "&&", "<=", ">=", "<>", "(", ")", ",", "=", "<", ">", "&", "+", "-", "*", "/", "%"];

/// Quotes that web pages and word processors make.
const TYPOGRAPHIC: [char; 6] = ['\u{201c}', '\u{201d}', '\u{201e}', '\u{2033}', '\u{ab}', '\u{bb}'];

pub(super) fn lex(text: &str) -> Result<Lexed, Problem> {
    let mut lexer = Lexer { text, at: 0, lexed: Lexed { tokens: Vec::new(), warnings: Vec::new() } };
    while lexer.next()? {}
    Ok(lexer.lexed)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    lexed: Lexed,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn push(&mut self, token: Token, length: usize) {
        self.lexed.tokens.push((token, self.at..self.at + length));
        self.at += length;
    }

    /// One token; false at the end.
    fn next(&mut self) -> Result<bool, Problem> {
        let blank = |letter: char| letter.is_whitespace() || matches!(letter, '\u{a0}' | '\u{feff}' | '\u{200b}');
        self.at += self.rest().len() - self.rest().trim_start_matches(blank).len();
        let Some(first) = self.rest().chars().next() else {
            self.push(Token::End, 0);
            return Ok(false);
        };
        match first {
            '"' => self.quoted('"', "\"")?,
            '[' => self.enclosed("[", ']', "an attribute", Token::Attribute)?,
            '$' => self.variable()?,
            '%' if self.parameter_ahead() => self.enclosed("%", '%', "a parameter", Token::Parameter)?,
            '0'..='9' => self.number()?,
            '&' if self.operand_expected() && self.hexadecimal() => {}
            letter if letter.is_alphabetic() || letter == '_' => self.name(),
            letter if TYPOGRAPHIC.contains(&letter) => self.typographic()?,
            '\'' | '\u{2018}' | '\u{2019}' => {
                let hint = "texts stand between straight double quotes: \"text\"";
                return Err(
                    Problem::new(self.at..self.at + first.len_utf8(), "a single quote begins no text").hint(hint)
                );
            }
            _ => self.sign(first)?,
        }
        Ok(true)
    }

    /// Whether what comes is the beginning of an operand: at the start, behind `(`, `,` and operators.
    fn operand_expected(&self) -> bool {
        match self.lexed.tokens.last() {
            None => true,
            Some((Token::Sign(sign), _)) => *sign != ")",
            Some(_) => false,
        }
    }

    fn parameter_ahead(&self) -> bool {
        let inner = self.rest().get(1..).and_then(|rest| rest.split_once('%'));
        let fits = |letter: char| letter.is_alphanumeric() || matches!(letter, '.' | '_' | '-');
        inner.is_some_and(|(name, _)| !name.is_empty() && name.chars().all(fits))
    }

    /// A text: `\\` is one backslash, `\"` and `""` are a quote, every other backslash stays.
    fn quoted(&mut self, close: char, open: &str) -> Result<(), Problem> {
        let mut text = String::new();
        let mut letters = self.rest().char_indices().skip(1).peekable();
        let mut length = None;
        while let Some((at, letter)) = letters.next() {
            let following = letters.peek().map(|(_, letter)| *letter);
            match (letter, following) {
                ('\\', Some(next)) if next == '\\' || next == '"' => {
                    text.push(next);
                    letters.next();
                }
                (letter, Some(next)) if letter == close && next == close && close == '"' => {
                    text.push(letter);
                    letters.next();
                }
                (letter, _) if letter == close || (close != '"' && TYPOGRAPHIC.contains(&letter)) => {
                    length = Some(at + letter.len_utf8());
                    break;
                }
                (letter, _) => text.push(letter),
            }
        }
        let Some(length) = length else {
            let place = self.at..self.at + open.len();
            return Err(Problem::new(place, "this text has no end").hint("close it with `\"`"));
        };
        self.push(Token::Text(text), length);
        Ok(())
    }

    fn typographic(&mut self) -> Result<(), Problem> {
        let start = self.at;
        let open: String = self.rest().chars().take(1).collect();
        self.quoted('\u{201d}', &open)?;
        let warning = Problem::new(start..self.at, "typographic quotes were taken for straight ones");
        self.lexed.warnings.push(warning.hint("they come from web pages; Entra Connect refuses them"));
        Ok(())
    }

    fn enclosed(
        &mut self,
        open: &str,
        close: char,
        what: &str,
        token: impl Fn(String) -> Token,
    ) -> Result<(), Problem> {
        let inner = self.rest().get(open.len()..).unwrap_or_default();
        let end = inner.find([close, '[', '"']);
        let end = end.filter(|end| inner.get(*end..).is_some_and(|rest| rest.starts_with(close)));
        let name = end.and_then(|end| inner.get(..end)).map(str::trim).filter(|name| !name.is_empty());
        let (Some(end), Some(name)) = (end, name) else {
            let message = format!("`{open}` begins {what} that has no name, or no end");
            return Err(Problem::new(self.at..self.at + open.len(), message).hint(format!("close it with `{close}`")));
        };
        let token = token(name.to_owned());
        self.push(token, open.len() + end + close.len_utf8());
        Ok(())
    }

    fn word_length(&self, from: usize) -> usize {
        let word = self.rest().get(from..).unwrap_or_default();
        word.find(|letter: char| !(letter.is_alphanumeric() || letter == '_')).unwrap_or(word.len())
    }

    fn variable(&mut self) -> Result<(), Problem> {
        let length = self.word_length(1);
        if length == 0 {
            return Err(Problem::new(self.at..self.at + 1, "`$` begins a variable that has no name"));
        }
        let name = self.rest().get(1..=length).unwrap_or_default().to_owned();
        self.push(Token::Variable(name), length + 1);
        Ok(())
    }

    fn name(&mut self) {
        let length = self.word_length(0);
        let name = self.rest().get(..length).unwrap_or_default().to_owned();
        self.push(Token::Name(name), length);
    }

    fn number(&mut self) -> Result<(), Problem> {
        let digits = |text: &str| text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        let whole = digits(self.rest());
        let fraction = self.rest().get(whole..).and_then(|rest| rest.strip_prefix('.')).map_or(0, digits);
        let length = if fraction > 0 { whole + 1 + fraction } else { whole };
        let text = self.rest().get(..length).unwrap_or_default().to_owned();
        if fraction > 0 {
            self.push(Token::Decimal(text), length);
            return Ok(());
        }
        let Ok(number) = text.parse() else {
            let message = format!("`{text}` is larger than the largest number, {}", i64::MAX);
            return Err(Problem::new(self.at..self.at + length, message));
        };
        self.push(Token::Integer(number), length);
        Ok(())
    }

    /// `&HFF`. Only where an operand may begin; elsewhere `&` puts texts together.
    fn hexadecimal(&mut self) -> bool {
        let Some(rest) = self.rest().get(1..).filter(|rest| rest.starts_with(['H', 'h'])) else { return false };
        let digits = rest.get(1..).unwrap_or_default();
        let length = digits.find(|letter: char| !letter.is_ascii_hexdigit()).unwrap_or(digits.len());
        let number = digits.get(..length).and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let Some(number) = number else { return false };
        self.push(Token::Integer(number.cast_signed()), length + 2);
        true
    }

    fn sign(&mut self, first: char) -> Result<(), Problem> {
        let found = SIGNS.iter().find(|sign| self.rest().starts_with(**sign));
        let Some(sign) = found.filter(|sign| **sign != "%") else {
            let problem = Problem::new(self.at..self.at + first.len_utf8(), format!("`{first}` means nothing here"));
            let problem = match first {
                '|' => problem.hint("or is written `||`"),
                '!' => problem.hint("not equal is written `<>`; a test is turned by `= False`"),
                '%' => problem.hint("a parameter stands between percent signs: `%Domain.FQDN%`"),
                ';' => problem.hint("arguments are separated by commas"),
                _ => problem,
            };
            return Err(problem);
        };
        self.push(Token::Sign(sign), sign.len());
        Ok(())
    }
}
