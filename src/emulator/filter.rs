//! `$filter`: text to a tree, and the tree against an object.
//!
//! Knows properties only by name. Text compares without regard to case, as the directory does.

use serde_json::Value as Json;

use super::directory::{Directory, Object, Slot, Unique};
use super::exchange::Refusal;
use crate::value::fold;

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Filter {
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Not(Box<Filter>),
    Compare {
        path: String,
        operator: Operator,
        value: Json,
    },
    In {
        path: String,
        values: Vec<Json>,
    },
    /// `proxyAddresses/any(p:p eq 'x')`: the condition's own path is empty.
    Any {
        path: String,
        condition: Box<Filter>,
    },
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    Unequal,
    GreaterOrEqual,
    LessOrEqual,
    StartsWith,
    EndsWith,
}

/// The most operands that one filter may join with `or` or list with `in`.
const MOST_OPERANDS: usize = 15;

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// 400 for text that is no filter, unknown properties (`known` tells) and too many operands.
    pub(crate) fn parse(text: &str, known: &dyn Fn(&str) -> bool) -> Result<Filter, Refusal> {
        let tokens = tokens(text)?;
        let mut reader = Reader { tokens: &tokens, known, element: None, depth: 0 };
        let filter = reader.or()?;
        if !reader.tokens.is_empty() {
            return Err(broken(text));
        }
        let operands = filter.operands();
        if operands > MOST_OPERANDS {
            return Err(Refusal::query(format!(
                "Too many child clauses specified in search filter expression containing 'OR' operators: {operands}. \
                 Max allowed: {MOST_OPERANDS}."
            )));
        }
        Ok(filter)
    }

    fn operands(&self) -> usize {
        match self {
            Filter::Or(left, right) => left.operands() + right.operands(),
            Filter::And(left, right) => left.operands().max(right.operands()),
            Filter::Not(inner) | Filter::Any { condition: inner, .. } => inner.operands(),
            Filter::In { values, .. } => values.len(),
            Filter::Compare { .. } => 1,
        }
    }

    /// Whether it needs `ConsistencyLevel: eventual` and `$count=true`.
    pub(crate) fn advanced(&self) -> bool {
        match self {
            Filter::And(left, right) | Filter::Or(left, right) => left.advanced() || right.advanced(),
            Filter::Not(_) => true,
            Filter::Compare { operator, .. } => match operator {
                Operator::Unequal | Operator::EndsWith => true,
                Operator::Equal | Operator::GreaterOrEqual | Operator::LessOrEqual | Operator::StartsWith => false,
            },
            Filter::In { .. } => false,
            Filter::Any { condition, .. } => condition.advanced(),
        }
    }

    /// Whether an object meets it.
    pub(crate) fn matches(&self, object: &Object) -> bool {
        match self {
            Filter::And(left, right) => left.matches(object) && right.matches(object),
            Filter::Or(left, right) => left.matches(object) || right.matches(object),
            Filter::Not(inner) => !inner.matches(object),
            Filter::Compare { path, operator, value } => {
                let id;
                let found = if path == "id" {
                    id = Json::String(object.id.to_string());
                    Some(&id)
                } else {
                    at(object, path)
                };
                compare(found, *operator, value, path)
            }
            Filter::In { path, values } => values.iter().any(|value| {
                let one = Filter::Compare { path: path.clone(), operator: Operator::Equal, value: value.clone() };
                one.matches(object)
            }),
            Filter::Any { path, condition } => {
                let list = at(object, path).and_then(Json::as_array);
                list.into_iter().flatten().any(|element| condition.element(element))
            }
        }
    }

    fn element(&self, element: &Json) -> bool {
        match self {
            Filter::And(left, right) => left.element(element) && right.element(element),
            Filter::Or(left, right) => left.element(element) || right.element(element),
            Filter::Not(inner) => !inner.element(element),
            Filter::Compare { path, operator, value } => {
                let found = if path.is_empty() { Some(element) } else { element.get(path) };
                compare(found, *operator, value, path)
            }
            Filter::In { path, values } => {
                let found = if path.is_empty() { Some(element) } else { element.get(path) };
                values.iter().any(|value| compare(found, Operator::Equal, value, path))
            }
            Filter::Any { .. } => false,
        }
    }

    /// The only slots that can meet it, when an index knows; `None` means that all must be looked at.
    pub(crate) fn candidates(&self, directory: &Directory) -> Option<Vec<Slot>> {
        match self {
            Filter::And(left, right) => left.candidates(directory).or_else(|| right.candidates(directory)),
            Filter::Or(left, right) => {
                let mut slots = left.candidates(directory)?;
                slots.extend(right.candidates(directory)?);
                slots.sort_unstable();
                slots.dedup();
                Some(slots)
            }
            Filter::Not(_) => None,
            Filter::Compare { path, operator: Operator::Equal, value } => lookup(directory, path, value),
            Filter::Compare { .. } => None,
            Filter::In { path, values } => {
                let mut slots = Vec::new();
                for value in values {
                    slots.extend(lookup(directory, path, value)?);
                }
                slots.sort_unstable();
                slots.dedup();
                Some(slots)
            }
            Filter::Any { path, condition } if path == "proxyAddresses" => match condition.as_ref() {
                Filter::Compare { operator: Operator::Equal, value, .. } => {
                    Some(directory.find(Unique::Address, value.as_str()?).into_iter().collect())
                }
                _ => None,
            },
            Filter::Any { .. } => None,
        }
    }
}

fn lookup(directory: &Directory, path: &str, value: &Json) -> Option<Vec<Slot>> {
    let text = value.as_str()?;
    let slot = match path {
        "id" => text.parse().ok().and_then(|id| directory.slot(id)),
        "userPrincipalName" => directory.find(Unique::UserPrincipalName, text),
        "onPremisesImmutableId" => directory.find(Unique::ImmutableId, text),
        "uniqueName" => directory.find(Unique::GroupName, text),
        "mail" => directory.find(Unique::Address, &format!("smtp:{text}")),
        _ => return None,
    };
    Some(slot.into_iter().collect())
}

fn at<'a>(object: &'a Object, path: &str) -> Option<&'a Json> {
    match path.split_once('/') {
        Some((name, rest)) => object.properties.get(name)?.get(rest),
        None => object.properties.get(path),
    }
}

fn compare(found: Option<&Json>, operator: Operator, value: &Json, path: &str) -> bool {
    let found = found.filter(|found| !found.is_null());
    let ordering = || match (found?, value) {
        (Json::String(left), Json::String(right)) if path == "onPremisesImmutableId" => Some(left.cmp(right)),
        (Json::String(left), Json::String(right)) => Some(fold(left).cmp(&fold(right))),
        (Json::Bool(left), Json::Bool(right)) => Some(left.cmp(right)),
        (Json::Number(left), Json::Number(right)) => left.as_i64()?.partial_cmp(&right.as_i64()?),
        _ => None,
    };
    let texts = || Some((fold(found?.as_str()?), fold(value.as_str()?)));
    match operator {
        Operator::Equal if value.is_null() => found.is_none(),
        Operator::Unequal if value.is_null() => found.is_some(),
        Operator::Equal => ordering().is_some_and(|order| order.is_eq()),
        Operator::Unequal => !ordering().is_some_and(|order| order.is_eq()),
        Operator::GreaterOrEqual => ordering().is_some_and(|order| order.is_ge()),
        Operator::LessOrEqual => ordering().is_some_and(|order| order.is_le()),
        Operator::StartsWith => texts().is_some_and(|(text, start)| text.starts_with(&start)),
        Operator::EndsWith => texts().is_some_and(|(text, end)| text.ends_with(&end)),
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Open,
    Close,
    Comma,
    Colon,
}

fn tokens(text: &str) -> Result<Vec<Token>, Refusal> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '(' => tokens.push(Token::Open),
            ')' => tokens.push(Token::Close),
            ',' => tokens.push(Token::Comma),
            ':' => tokens.push(Token::Colon),
            '\'' => {
                let mut value = String::new();
                loop {
                    match letters.next() {
                        Some('\'') if letters.peek() == Some(&'\'') => {
                            letters.next();
                            value.push('\'');
                        }
                        Some('\'') => break,
                        Some(letter) => value.push(letter),
                        None => return Err(broken(text)),
                    }
                }
                tokens.push(Token::Text(value));
            }
            _ if letter.is_whitespace() => {}
            _ => {
                let mut word = letter.to_string();
                // A colon belongs to a time (`2026-01-01T00:00:00Z`), not to a lambda variable, after a digit.
                while let Some(&next) = letters.peek() {
                    let in_time =
                        next == ':' && word.len() > 4 && word.starts_with(|first: char| first.is_ascii_digit());
                    if !in_time && (next.is_whitespace() || "(),:'".contains(next)) {
                        break;
                    }
                    word.push(next);
                    letters.next();
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Ok(tokens)
}

struct Reader<'a> {
    tokens: &'a [Token],
    known: &'a dyn Fn(&str) -> bool,
    /// The variable of the lambda around.
    element: Option<String>,
    depth: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<Token> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first.clone())
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.first(), Some(Token::Word(next)) if next.eq_ignore_ascii_case(word));
        if found {
            self.next();
        }
        found
    }

    fn expect(&mut self, token: &Token) -> Result<(), Refusal> {
        if self.next().as_ref() == Some(token) { Ok(()) } else { Err(broken("")) }
    }

    fn or(&mut self) -> Result<Filter, Refusal> {
        self.depth += 1;
        if self.depth > 50 {
            return Err(Refusal::query("The filter is nested too deeply."));
        }
        let mut left = self.and()?;
        while self.take_word("or") {
            left = Filter::Or(Box::new(left), Box::new(self.and()?));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn and(&mut self) -> Result<Filter, Refusal> {
        let mut left = self.unary()?;
        while self.take_word("and") {
            left = Filter::And(Box::new(left), Box::new(self.unary()?));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Filter, Refusal> {
        if self.take_word("not") {
            self.depth += 1;
            if self.depth > 50 {
                return Err(Refusal::query("The filter is nested too deeply."));
            }
            let inner = self.unary()?;
            self.depth -= 1;
            return Ok(Filter::Not(Box::new(inner)));
        }
        if self.tokens.first() == Some(&Token::Open) {
            self.next();
            let inner = self.or()?;
            self.expect(&Token::Close)?;
            return Ok(inner);
        }
        let Some(Token::Word(word)) = self.next() else { return Err(broken("")) };
        if self.tokens.first() == Some(&Token::Open) {
            self.next();
            return self.function(&word);
        }
        let path = self.path(&word)?;
        let Some(Token::Word(operator)) = self.next() else { return Err(broken(&word)) };
        let operator = match operator.to_ascii_lowercase().as_str() {
            "eq" => Operator::Equal,
            "ne" => Operator::Unequal,
            "ge" => Operator::GreaterOrEqual,
            "le" => Operator::LessOrEqual,
            "in" => return self.list(path),
            other => return Err(Refusal::query(format!("The operator '{other}' is not supported."))),
        };
        Ok(Filter::Compare { path, operator, value: self.literal()? })
    }

    fn function(&mut self, name: &str) -> Result<Filter, Refusal> {
        if let Some(path) = name.strip_suffix("/any") {
            let path = self.path(path)?;
            let Some(Token::Word(variable)) = self.next() else { return Err(broken(name)) };
            self.expect(&Token::Colon)?;
            let outer = self.element.replace(variable);
            let condition = self.or()?;
            self.element = outer;
            self.expect(&Token::Close)?;
            return Ok(Filter::Any { path, condition: Box::new(condition) });
        }
        let operator = match name.to_ascii_lowercase().as_str() {
            "startswith" => Operator::StartsWith,
            "endswith" => Operator::EndsWith,
            _ => return Err(Refusal::query(format!("The function '{name}' is not supported."))),
        };
        let Some(Token::Word(path)) = self.next() else { return Err(broken(name)) };
        let path = self.path(&path)?;
        self.expect(&Token::Comma)?;
        let value = self.literal()?;
        self.expect(&Token::Close)?;
        Ok(Filter::Compare { path, operator, value })
    }

    fn list(&mut self, path: String) -> Result<Filter, Refusal> {
        self.expect(&Token::Open)?;
        let mut values = vec![self.literal()?];
        loop {
            match self.next() {
                Some(Token::Comma) => values.push(self.literal()?),
                Some(Token::Close) => return Ok(Filter::In { path, values }),
                _ => return Err(broken(&path)),
            }
        }
    }

    fn literal(&mut self) -> Result<Json, Refusal> {
        match self.next() {
            Some(Token::Text(text)) => Ok(Json::String(text)),
            Some(Token::Word(word)) => Ok(match word.as_str() {
                "null" => Json::Null,
                "true" => Json::Bool(true),
                "false" => Json::Bool(false),
                _ => word.parse::<i64>().map_or(Json::String(word), Json::from),
            }),
            _ => Err(broken("")),
        }
    }

    fn path(&self, word: &str) -> Result<String, Refusal> {
        if let Some(variable) = &self.element {
            if word == variable {
                return Ok(String::new());
            }
            if let Some(rest) = word.strip_prefix(variable.as_str()).and_then(|rest| rest.strip_prefix('/')) {
                return Ok(rest.to_owned());
            }
        }
        let name = word.split('/').next().unwrap_or(word);
        if word.ends_with("/$count") {
            return Err(Refusal::query("Filters on '/$count' are not supported."));
        }
        if !(self.known)(name) {
            return Err(Refusal::bad(format!("Could not find a property named '{name}'.")));
        }
        Ok(word.to_owned())
    }
}

fn broken(near: &str) -> Refusal {
    Refusal::new(400, "BadRequest", format!("Invalid filter clause: syntax error near '{near}'."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::super::directory::Properties;
    use super::super::schema::Kind;
    use super::*;

    #[test]
    fn filters_match() {
        let mut properties = Properties::default();
        for (name, value) in [
            ("displayName", json!("Anna O'Neil")),
            ("accountEnabled", json!(true)),
            ("mail", json!("anna@contoso.com")),
            ("proxyAddresses", json!(["SMTP:anna@contoso.com", "smtp:a@contoso.com"])),
            ("onPremisesExtensionAttributes", json!({"extensionAttribute3": "X"})),
            ("createdDateTime", json!("2026-01-02T03:04:05Z")),
        ] {
            properties.set(name.into(), value);
        }
        let object = Object::new(Uuid::nil(), Kind::User, properties);
        for (text, expected) in [
            ("displayName eq 'anna o''neil'", true),
            ("displayName ne 'anna'", true),
            ("startsWith(displayName,'ann')", true),
            ("endswith(mail, '@contoso.com') and accountEnabled eq true", true),
            ("not(accountEnabled eq true) or mail in ('x', 'ANNA@contoso.com')", true),
            ("proxyAddresses/any(p:p eq 'smtp:A@contoso.com')", true),
            ("proxyAddresses/any(p:startsWith(p,'x500:'))", false),
            ("onPremisesExtensionAttributes/extensionAttribute3 eq 'x'", true),
            ("jobTitle eq null", true),
            ("mail eq null", false),
            ("createdDateTime ge 2026-01-01T00:00:00Z", true),
            ("createdDateTime le 2026-01-01T00:00:00Z", false),
            ("id eq '00000000-0000-0000-0000-000000000000'", true),
            ("(mail eq 'a' or mail eq 'b') and accountEnabled eq true", false),
        ] {
            let filter = Filter::parse(text, &|name| Kind::User.property(name).is_some()).expect(text);
            assert_eq!(filter.matches(&object), expected, "{text}");
        }
        for text in ["", "nope eq 1", "mail eq", "mail eq 'a' x", "(mail eq 'a'", "mail eq 'a", "mail gt 'a'"] {
            assert!(Filter::parse(text, &|name| Kind::User.property(name).is_some()).is_err(), "{text}");
        }
        let many = vec!["mail eq 'a'"; 16].join(" or ");
        assert!(Filter::parse(&many, &|_| true).is_err());
    }
}
