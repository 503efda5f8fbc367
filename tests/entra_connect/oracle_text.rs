//! The functions of the oracle for text and for distinguished names.
//!
//! Places count characters, from 1.

use crate::oracle::Value;
use crate::oracle_functions::{Arguments, Outcome};

/// The longest text that `PadLeft` and `PadRight` make.
const LONGEST: usize = 4096;

/// Functions of text.
pub(crate) fn call(arguments: &Arguments) -> Result<Option<Value>, String> {
    let outcome = match arguments.name {
        "Left" | "Right" => end(arguments),
        "Mid" => middle(arguments),
        "Len" => length(arguments),
        "InStr" | "InStrRev" => place(arguments),
        "PadLeft" | "PadRight" => pad(arguments),
        "Word" => word(arguments),
        "Replace" => replace(arguments),
        "ReplaceChars" => replace_characters(arguments),
        "Guid" => Ok(Value::Text("00001111-aaaa-4222-bbbb-3333cccc4444".into())),
        "LCase" => changed(arguments, |text| text.to_lowercase()),
        "UCase" => changed(arguments, |text| text.to_uppercase()),
        "Trim" => changed(arguments, |text| text.trim().into()),
        "LTrim" => changed(arguments, |text| text.trim_start().into()),
        "RTrim" => changed(arguments, |text| text.trim_end().into()),
        "PCase" => changed(arguments, |text| text.split(' ').map(capital).collect::<Vec<_>>().join(" ")),
        _ => return Ok(None),
    };
    outcome.map(Some)
}

fn changed(arguments: &Arguments, change: impl Fn(&str) -> String) -> Outcome {
    Ok(arguments.text(0)?.map_or(Value::Null, |text| Value::Text(change(&text))))
}

/// A word with a capital at its start; one that is all capitals stays.
fn capital(word: &str) -> String {
    let mut letters = word.chars().filter(|c| c.is_alphabetic()).peekable();
    if letters.peek().is_some() && letters.all(char::is_uppercase) {
        return word.into();
    }
    let mut rest = word.chars();
    let first: String = rest.next().into_iter().flat_map(char::to_uppercase).collect();
    first + rest.as_str().to_lowercase().as_str()
}

/// `Left` and `Right`.
fn end(arguments: &Arguments) -> Outcome {
    let chars: Vec<char> = arguments.text_or_empty(0)?.chars().collect();
    let count = usize::try_from(arguments.number(1)?).unwrap_or(usize::MAX).min(chars.len());
    let part = if arguments.name == "Left" { &chars[..count] } else { &chars[chars.len() - count..] };
    Ok(Value::Text(part.iter().collect()))
}

/// `Mid`, of text or bytes.
fn middle(arguments: &Arguments) -> Outcome {
    let (start, count) = (arguments.number(1)?, arguments.number_or(2, i64::MAX)?);
    if let Value::Bytes(bytes) = arguments.value(0) {
        return Ok(Value::Bytes(part(bytes, start, count).to_vec()));
    }
    let chars: Vec<char> = arguments.text_or_empty(0)?.chars().collect();
    Ok(Value::Text(part(&chars, start, count).iter().collect()))
}

fn part<T>(whole: &[T], start: i64, count: i64) -> &[T] {
    match (usize::try_from(start), usize::try_from(count)) {
        (Ok(start), Ok(count)) if start >= 1 && start <= whole.len() => {
            let rest = &whole[start - 1..];
            &rest[..count.min(rest.len())]
        }
        _ => whole,
    }
}

fn length(arguments: &Arguments) -> Outcome {
    let length = match arguments.value(0) {
        Value::Bytes(bytes) => bytes.len(),
        _ => arguments.text_or_empty(0)?.chars().count(),
    };
    Ok(Value::Int(length as i64))
}

/// `InStr` and `InStrRev`: the first match from a place on, or the last one that begins there or before.
fn place(arguments: &Arguments) -> Outcome {
    let binary = arguments.word(3)? != "vbtextcompare";
    let fold = |text: String| -> Vec<String> {
        text.chars().map(|c| if binary { c.into() } else { c.to_lowercase().collect() }).collect()
    };
    let Some(part) = arguments.text(1)?.map(fold) else { return Ok(Value::Int(0)) };
    let text = fold(arguments.text_or_empty(0)?);
    let reverse = arguments.name == "InStrRev";
    let start = arguments.number_or(2, if reverse { i64::MAX } else { 1 })?;
    let mut places = (1..=text.len()).filter(|place| text[place - 1..].starts_with(&part));
    let found = if reverse {
        places.rfind(|place| start < 1 || *place as i64 <= start)
    } else {
        places.find(|place| *place as i64 >= start)
    };
    Ok(Value::Int(found.unwrap_or(0) as i64))
}

fn pad(arguments: &Arguments) -> Outcome {
    let filler = arguments.text_or_empty(2)?;
    if filler.chars().count() != 1 {
        return Err(arguments.fails("the third argument is one character"));
    }
    let length = usize::try_from(arguments.number(1)?).unwrap_or(0);
    let Some(text) = arguments.text(0)? else { return Ok(Value::Text(String::new())) };
    if length > LONGEST {
        return Err(arguments.fails("too long"));
    }
    let padding = filler.repeat(length.saturating_sub(text.chars().count()));
    Ok(Value::Text(if arguments.name == "PadLeft" { padding + text.as_str() } else { text + padding.as_str() }))
}

fn word(arguments: &Arguments) -> Outcome {
    let (text, number, delimiters) = (arguments.text_or_empty(0)?, arguments.number(1)?, arguments.text_or_empty(2)?);
    let mut words = text.split(|c| delimiters.contains(c)).filter(|word| !word.is_empty());
    let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
    Ok(Value::Text(index.and_then(|index| words.nth(index)).unwrap_or_default().into()))
}

fn replace(arguments: &Arguments) -> Outcome {
    let marks = |text: String| text.replace("\\n", "\n").replace("\\r", "\r").replace("\\t", "\t");
    let (old, new) = (marks(arguments.text_or_empty(1)?), marks(arguments.text_or_empty(2)?));
    changed(arguments, |text| if old.is_empty() { text.into() } else { text.replace(&old, &new) })
}

fn replace_characters(arguments: &Arguments) -> Outcome {
    let pattern: String = arguments.text_or_empty(1)?.chars().filter(|c| !c.is_whitespace()).collect();
    let mut pairs = Vec::new();
    for pair in pattern.split(',').filter(|_| !pattern.is_empty()) {
        let mut chars = pair.chars();
        match (chars.next(), chars.next()) {
            (Some(old), Some(':')) => pairs.push((old, chars.as_str())),
            _ => return Err(arguments.fails(&format!("`{pair}` is not a character, a colon and a text"))),
        }
    }
    let one = |c: char| match pairs.iter().find(|(old, _)| *old == c) {
        Some((_, new)) => (*new).to_owned(),
        None => c.into(),
    };
    changed(arguments, |text| text.chars().map(one).collect())
}

/// Functions of distinguished names.
pub(crate) fn name(arguments: &Arguments) -> Result<Option<Value>, String> {
    match arguments.name {
        "DNComponent" | "DNComponentRev" => component(arguments).map(Some),
        "EscapeDNComponent" => changed(arguments, escaped).map(Some),
        _ => Ok(None),
    }
}

fn component(arguments: &Arguments) -> Outcome {
    let Some(name) = arguments.text(0)? else { return Ok(Value::Null) };
    let mut parts = components(&name);
    if arguments.word(2)? == "dc" {
        parts.retain(|part| !part.to_lowercase().starts_with("dc="));
    }
    if arguments.name == "DNComponentRev" {
        parts.reverse();
    }
    let index = usize::try_from(arguments.number(1)?).ok().and_then(|number| number.checked_sub(1));
    let found = index.and_then(|index| parts.get(index)).and_then(|part| part.split_once('='));
    let (_, value) = found.ok_or_else(|| arguments.fails(&format!("`{name}` has no such component")))?;
    Ok(Value::Text(value.trim_start().into()))
}

/// The components of a name, with their escapes; blanks around them do not count.
fn components(name: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (index, c) in name.char_indices() {
        if c == ',' && !escaped {
            parts.push(name[start..index].trim_start());
            start = index + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    parts.push(name[start..].trim_start());
    parts
}

/// Whether a text is a distinguished name.
pub(crate) fn is_name(text: &str) -> bool {
    let letters = |kind: &str| kind.chars().all(|c| c.is_ascii_alphanumeric() || "-. ".contains(c));
    let has_type = |part: &&str| part.split_once('=').is_some_and(|(kind, _)| !kind.trim().is_empty() && letters(kind));
    components(text).iter().all(has_type)
}

/// A component with the escapes of its value.
fn escaped(text: &str) -> String {
    let (kind, value) = match text.split_once('=') {
        Some((kind, value)) if is_name(&format!("{kind}=x")) => (format!("{kind}="), value),
        _ => (String::new(), text),
    };
    let last = value.chars().count().saturating_sub(1);
    let escape = |(index, c): (usize, char)| match c {
        ',' | '+' | '"' | '\\' | '<' | '>' | ';' => format!("\\{c}"),
        ' ' if index == 0 || index == last => "\\ ".into(),
        '#' if index == 0 => "\\#".into(),
        '\0' => "\\00".into(),
        c => c.into(),
    };
    kind + value.chars().enumerate().map(escape).collect::<String>().as_str()
}
