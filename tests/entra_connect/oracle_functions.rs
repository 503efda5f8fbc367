//! The functions of the oracle that ask, convert, calculate and work on lists. Text, times and certificates have their own
//! modules; `IIF`, `Switch`, `Where`, `Select` and `With` belong to the evaluator.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::oracle::{Value, is_aggregate, list};
use crate::{oracle_certificates, oracle_dates, oracle_text};

pub(crate) type Outcome = Result<Value, String>;

/// The values that a function is called with.
pub(crate) struct Arguments<'a> {
    pub(crate) name: &'static str,
    values: &'a [Value],
}

impl Arguments<'_> {
    /// A value, nothing where the argument is not given.
    pub(crate) fn value(&self, index: usize) -> &Value {
        self.values.get(index).unwrap_or(&Value::Null)
    }

    /// A text; a time is one too.
    pub(crate) fn text(&self, index: usize) -> Result<Option<String>, String> {
        match self.value(index) {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text.clone())),
            Value::Time(time) => Ok(Some(time.to_string())),
            other => Err(format!("{} needs text, not {other:?}", self.name)),
        }
    }

    /// A text, where nothing is empty text.
    pub(crate) fn text_or_empty(&self, index: usize) -> Result<String, String> {
        Ok(self.text(index)?.unwrap_or_default())
    }

    /// A number; nothing is an error.
    pub(crate) fn number(&self, index: usize) -> Result<i64, String> {
        match self.value(index) {
            Value::Int(number) => Ok(*number),
            other => Err(format!("{} needs a number, not {other:?}", self.name)),
        }
    }

    /// A number, or another one where the argument is not given.
    pub(crate) fn number_or(&self, index: usize, other: i64) -> Result<i64, String> {
        if self.values.len() > index { self.number(index) } else { Ok(other) }
    }

    pub(crate) fn bytes(&self, index: usize) -> Result<Option<Vec<u8>>, String> {
        match self.value(index) {
            Value::Null => Ok(None),
            Value::Bytes(bytes) => Ok(Some(bytes.clone())),
            other => Err(format!("{} needs bytes, not {other:?}", self.name)),
        }
    }

    /// The word of an enumeration.
    pub(crate) fn word(&self, index: usize) -> Result<String, String> {
        Ok(self.text_or_empty(index)?.to_lowercase())
    }

    pub(crate) fn fails(&self, what: &str) -> String {
        format!("{}: {what}", self.name)
    }
}

/// What a function gives; one that takes a single value runs on each value of a list.
pub(crate) fn call(name: &'static str, values: &[Value]) -> Outcome {
    if values.iter().any(|value| matches!(value, Value::IgnoreThisFlow | Value::AuthoritativeNull)) {
        return Err(format!("{name} of a special value"));
    }
    if let Some(Value::List(each)) = values.first()
        && !is_aggregate(name)
    {
        let run = |value: &Value| call(name, &[std::slice::from_ref(value), &values[1..]].concat());
        return Ok(list(each.iter().map(run).collect::<Result<_, _>>()?));
    }
    let arguments = Arguments { name, values };
    let groups = [
        question,
        calculation,
        conversion,
        many,
        oracle_text::call,
        oracle_text::name,
        oracle_dates::call,
        oracle_certificates::call,
    ];
    let result = groups.iter().find_map(|group| group(&arguments).transpose());
    result.unwrap_or_else(|| Err(format!("{name} is not here")))
}

/// The values of a list, or the one value, or none of nothing.
pub(crate) fn values(value: &Value) -> Vec<Value> {
    match value {
        Value::Null => Vec::new(),
        Value::List(values) => values.clone(),
        value => vec![value.clone()],
    }
}

/// A value as text: empty for nothing.
pub(crate) fn text_of(value: &Value) -> Result<String, String> {
    match value {
        Value::Null => Ok(String::new()),
        Value::Bool(true) => Ok("True".into()),
        Value::Bool(false) => Ok("False".into()),
        Value::Int(number) => Ok(number.to_string()),
        Value::Text(text) => Ok(text.clone()),
        Value::Time(time) => Ok(time.to_string()),
        other => Err(format!("{other:?} is not text")),
    }
}

/// Functions that give true or false.
fn question(arguments: &Arguments) -> Result<Option<Value>, String> {
    let value = arguments.value(0);
    let empty = matches!(value, Value::Text(text) if text.is_empty());
    let null = *value == Value::Null;
    let answer = match arguments.name {
        "IsNull" => null,
        "IsEmpty" => empty,
        "IsNullOrEmpty" => null || empty,
        "IsPresent" => !null && !empty,
        "IsString" => text_of(value).is_ok() && !null,
        "IsNumeric" => number_of(value).is_some(),
        "IsDate" => oracle_dates::date_of(value).is_some(),
        "IsGuid" => matches!(value, Value::Text(text) if guid(text).is_some()),
        "IsBitSet" if null || *arguments.value(1) == Value::Null => false,
        "IsBitSet" => arguments.number(0)? & arguments.number(1)? == arguments.number(1)?,
        "CBool" => match value {
            Value::Bool(value) => *value,
            Value::Int(number) => *number != 0,
            Value::Text(text) => text.eq_ignore_ascii_case("true"),
            _ => false,
        },
        _ => return Ok(None),
    };
    Ok(Some(Value::Bool(answer)))
}

fn number_of(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn calculation(arguments: &Arguments) -> Result<Option<Value>, String> {
    let number = match arguments.name {
        "BitAnd" => arguments.number(0)? & arguments.number(1)?,
        "BitOr" => arguments.number(0)? | arguments.number(1)?,
        "RandomNum" => {
            let (low, high) = (arguments.number(0)?, arguments.number(1)?);
            if low > high {
                return Err(arguments.fails("there is no such number"));
            }
            low
        }
        "CBin" => return cbin(arguments).map(Some),
        _ => return Ok(None),
    };
    Ok(Some(Value::Int(number)))
}

/// A number as bytes, the low one first.
fn cbin(arguments: &Arguments) -> Outcome {
    let (number, length) = (arguments.number(0)?, arguments.number(1)?);
    let length = usize::try_from(length).ok().filter(|length| *length <= 4096);
    let length = length.ok_or_else(|| arguments.fails("no such length"))?;
    let mut bytes = number.to_le_bytes().to_vec();
    let fits = number >= 0 && bytes.iter().skip(length).all(|byte| *byte == 0);
    bytes.resize(length, 0);
    if fits { Ok(Value::Bytes(bytes)) } else { Err(arguments.fails("the number does not fit")) }
}

/// Functions that make a value of another kind; nothing stays nothing.
fn conversion(arguments: &Arguments) -> Result<Option<Value>, String> {
    let known = "CNum CStr CGuid CRef ConvertFromBase64 ConvertToBase64 ConvertFromUTF8Hex ConvertToUTF8Hex \
                 StringFromGuid StringFromSid Thumbprint Error";
    if !known.split_whitespace().any(|name| name == arguments.name) {
        return Ok(None);
    }
    let value = arguments.value(0);
    match arguments.name {
        "Error" => return Err(arguments.text(0)?.unwrap_or("the rule says error, and no more".into())),
        _ if *value == Value::Null => return Ok(Some(Value::Null)),
        "CNum" => return number_of(value).map(Value::Int).map(Some).ok_or_else(|| arguments.fails("not a number")),
        "CStr" => return text_of(value).map(Value::Text).map(Some),
        "ConvertToBase64" => return to_base64(arguments).map(Some),
        "StringFromGuid" | "StringFromSid" | "Thumbprint" => {
            let bytes = arguments.bytes(0)?.unwrap_or_default();
            return from_bytes(arguments.name, &bytes).map(Some).ok_or_else(|| arguments.fails("not such bytes"));
        }
        _ => {}
    }
    let text = arguments.text_or_empty(0)?;
    let result = match arguments.name {
        "CGuid" => guid(&text).map(Value::Bytes),
        "CRef" => oracle_text::is_name(&text).then(|| Value::Text(text.clone())),
        "ConvertFromBase64" => from_base64(&text, &arguments.word(1)?).map(Value::Text),
        "ConvertToUTF8Hex" => Some(Value::Text(hex(text.as_bytes()))),
        _ => unhex(&text).and_then(|bytes| String::from_utf8(bytes).ok()).map(Value::Text),
    };
    result.map(Some).ok_or_else(|| arguments.fails(&format!("`{text}` does not do")))
}

fn from_bytes(name: &str, bytes: &[u8]) -> Option<Value> {
    let text = match name {
        "StringFromSid" => sid(bytes)?,
        "StringFromGuid" => guid_text(bytes)?,
        _ => hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref()),
    };
    Some(Value::Text(text))
}

fn to_base64(arguments: &Arguments) -> Outcome {
    let bytes = match arguments.value(0) {
        Value::Bytes(bytes) => bytes.clone(),
        _ => arguments.text_or_empty(0)?.encode_utf16().flat_map(u16::to_le_bytes).collect(),
    };
    Ok(Value::Text(BASE64.encode(bytes)))
}

fn from_base64(text: &str, encoding: &str) -> Option<String> {
    let bytes = BASE64.decode(text).ok()?;
    match encoding {
        "" | "unicode" => {
            let (pairs, []) = bytes.as_chunks::<2>() else { return None };
            String::from_utf16(&pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect::<Vec<_>>()).ok()
        }
        "utf8" => String::from_utf8(bytes).ok(),
        "ascii" if bytes.is_ascii() => String::from_utf8(bytes).ok(),
        _ => None,
    }
}

pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// The first three fields of a GUID have their low byte first.
const GUID_ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

fn guid(text: &str) -> Option<Vec<u8>> {
    let inner = text.strip_prefix('{').map_or(Some(text), |rest| rest.strip_suffix('}'))?;
    if !inner.split('-').map(str::len).eq([8, 4, 4, 4, 12]) {
        return None;
    }
    let bytes = unhex(&inner.replace('-', ""))?;
    Some(GUID_ORDER.iter().map(|at| bytes[*at]).collect())
}

fn guid_text(bytes: &[u8]) -> Option<String> {
    if bytes.len() != 16 {
        return None;
    }
    let digits = hex(&GUID_ORDER.map(|at| bytes[at])).to_lowercase();
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    Some(parts.join("-"))
}

fn sid(bytes: &[u8]) -> Option<String> {
    let (&[revision, count, ref authority @ ..], rest) = bytes.split_first_chunk::<8>()?;
    let (parts, []) = rest.as_chunks::<4>() else { return None };
    if revision != 1 || parts.len() != usize::from(count) {
        return None;
    }
    let authority = authority.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
    let parts: String = parts.iter().map(|part| format!("-{}", u32::from_le_bytes(*part))).collect();
    Some(format!("S-{revision}-{authority}{parts}"))
}

/// Functions of a list.
fn many(arguments: &Arguments) -> Result<Option<Value>, String> {
    let all = values(arguments.value(0));
    Ok(Some(match arguments.name {
        "Count" => Value::Int(all.len() as i64),
        "Item" | "ItemOrNull" => {
            let place = usize::try_from(arguments.number(1)?).ok().and_then(|place| place.checked_sub(1));
            match place.and_then(|place| all.into_iter().nth(place)) {
                None if arguments.name == "Item" => return Err(arguments.fails("there is no such value")),
                found => found.unwrap_or(Value::Null),
            }
        }
        "Contains" => contains(arguments, &all)?,
        "Join" if all.is_empty() => Value::Null,
        "Join" => {
            let separator = if arguments.values.len() > 1 { arguments.text_or_empty(1)? } else { " ".into() };
            let texts: Result<Vec<_>, _> = all.iter().map(text_of).collect();
            Value::Text(texts?.join(&separator))
        }
        "RemoveDuplicates" => match arguments.value(0) {
            Value::List(_) => list(unique(all)),
            single => single.clone(),
        },
        "Split" => split(arguments)?,
        _ => return Ok(None),
    }))
}

fn unique(all: Vec<Value>) -> Vec<Value> {
    let mut seen = Vec::new();
    for value in all {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen
}

fn contains(arguments: &Arguments, all: &[Value]) -> Outcome {
    let Some(part) = arguments.text(1)? else { return Ok(Value::Int(0)) };
    let fold = |text: String| match arguments.word(2).as_deref() {
        Ok("caseinsensitive") => text.to_lowercase(),
        _ => text,
    };
    let part = fold(part);
    for (index, value) in all.iter().enumerate() {
        if fold(text_of(value)?).contains(&part) {
            return Ok(Value::Int(index as i64 + 1));
        }
    }
    Ok(Value::Int(0))
}

fn split(arguments: &Arguments) -> Outcome {
    let Some(text) = arguments.text(0)? else { return Ok(Value::Null) };
    let delimiter = arguments.text_or_empty(1)?;
    if delimiter.chars().count() != 1 {
        return Err(arguments.fails("the delimiter is one character"));
    }
    let limit = arguments.number_or(2, i64::MAX)?;
    let limit = usize::try_from(limit).ok().filter(|limit| *limit > 0).ok_or_else(|| arguments.fails("the limit"))?;
    Ok(list(text.splitn(limit, &delimiter).map(|piece| Value::Text(piece.into())).collect()))
}
