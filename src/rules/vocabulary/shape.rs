//! The shapes that functions take and give: text or a list of texts, nothing, and the errors that say what was wrong.

use rhai::{Array, Blob, Dynamic, Engine, EvalAltResult, ImmutableString, Position};

use super::Exact;
use crate::value::fold;

/// What a function gives.
pub(super) type Outcome<T = Dynamic> = Result<T, Box<EvalAltResult>>;

/// An error of a rule. The host adds the rule, the line and the object.
pub(super) fn fail(message: impl Into<String>) -> Box<EvalAltResult> {
    EvalAltResult::ErrorRuntime(message.into().into(), Position::NONE).into()
}

/// The error for a number or flag that was not delivered.
pub(super) fn missing(name: &str) -> Box<EvalAltResult> {
    fail(format!("`{name}` needs a number, but the attribute is not there"))
}

/// The error for an argument of the wrong kind.
pub(super) fn wrong_kind(name: &str, needs: &str, got: &Dynamic) -> Box<EvalAltResult> {
    fail(format!("`{name}` needs {needs}, not {}", kind(got)))
}

/// What a value is, in words.
fn kind(value: &Dynamic) -> &'static str {
    if value.is_unit() {
        "nothing"
    } else if value.is_string() || value.is_char() {
        "text"
    } else if value.is_int() {
        "a number"
    } else if value.is_bool() {
        "true or false"
    } else if value.is_blob() {
        "bytes"
    } else if value.is_array() {
        "a list"
    } else if value.is_map() {
        "a map"
    } else if value.is_fnptr() {
        "a function"
    } else {
        "this kind of value"
    }
}

/// Text as a value: empty text is no value.
pub(super) fn text(text: impl AsRef<str> + Into<ImmutableString>) -> Dynamic {
    if text.as_ref().is_empty() { Dynamic::UNIT } else { text.into().into() }
}

/// A list as a value: `()` and empty text fall, and a list without values is no value.
pub(super) fn list(values: impl IntoIterator<Item = Dynamic>) -> Dynamic {
    let values: Array = values.into_iter().filter(is_present).collect();
    if values.is_empty() { Dynamic::UNIT } else { values.into() }
}

/// Whether there is a value: not `()`, not empty text, not an empty list.
pub(super) fn is_present(value: &Dynamic) -> bool {
    if value.is_string() {
        return value.as_immutable_string_ref().is_ok_and(|text| !text.is_empty());
    }
    if value.is_array() {
        return value.as_array_ref().is_ok_and(|values| values.iter().any(is_present));
    }
    if value.is_blob() {
        return value.as_blob_ref().is_ok_and(|bytes| !bytes.is_empty());
    }
    !value.is_unit()
}

/// The values of a list; of one value, that one; of `()`, none.
pub(super) fn values_of(value: Dynamic) -> Array {
    if value.is_unit() {
        return Array::new();
    }
    match value.try_cast_result::<Array>() {
        Ok(values) => values,
        Err(value) => vec![value],
    }
}

/// The text of a text.
pub(super) fn text_of(name: &str, value: &Dynamic) -> Outcome<ImmutableString> {
    if let Ok(text) = value.as_immutable_string_ref() {
        return Ok(text.clone());
    }
    if let Some(exact) = value.read_lock::<Exact>() {
        return Ok(exact.text().into());
    }
    value.as_char().map(|c| c.to_string().into()).map_err(|_| wrong_kind(name, "text", value))
}

/// The bytes of bytes.
pub(super) fn bytes_of(name: &str, value: &Dynamic) -> Outcome<Blob> {
    value.as_blob_ref().map(|bytes| bytes.clone()).map_err(|_| wrong_kind(name, "bytes", value))
}

/// A number that has to be there.
pub(super) fn number_of(name: &str, value: &Dynamic) -> Outcome<i64> {
    if value.is_unit() {
        return Err(missing(name));
    }
    value.as_int().map_err(|_| wrong_kind(name, "a number", value))
}

/// A number that counts characters or values, cut to what can be counted.
pub(super) fn count_of(name: &str, value: &Dynamic) -> Outcome<usize> {
    let number = number_of(name, value)?;
    usize::try_from(number).map_err(|_| fail(format!("`{name}` needs a number that is not negative, not {number}")))
}

/// Applies `f` to a value, or to each value of a list; `()` stays `()`.
pub(super) fn each(value: &Dynamic, f: &impl Fn(&Dynamic) -> Outcome) -> Outcome {
    if value.is_unit() {
        return Ok(Dynamic::UNIT);
    }
    match value.as_array_ref() {
        Ok(values) => Ok(list(values.iter().map(|value| each(value, f)).collect::<Outcome<Array>>()?)),
        Err(_) => f(value),
    }
}

/// Applies `f` to a text, or to each text of a list.
pub(super) fn each_text(name: &'static str, value: &Dynamic, f: impl Fn(&str) -> Outcome) -> Outcome {
    each(value, &|value| f(&text_of(name, value)?))
}

/// Registers a function from text to text. The common case has its own overload because it is found sooner.
pub(super) fn text_to_text(
    engine: &mut Engine,
    name: &'static str,
    f: impl Fn(&str) -> String + Copy + Send + Sync + 'static,
) {
    engine.register_fn(name, move |value: &str| text(f(value)));
    engine.register_fn(name, move |value: Dynamic| -> Outcome { each_text(name, &value, |value| Ok(text(f(value)))) });
}

/// Registers a test on a text, which is `true` for a list when it is for any of its texts, and `false` without a value.
/// Letter case makes no difference unless the part is `exact`.
pub(super) fn text_test(
    engine: &mut Engine,
    name: &'static str,
    f: impl Fn(&str, &str) -> bool + Copy + Send + Sync + 'static,
) {
    engine.register_fn(name, move |value: &str, part: &str| f(&fold(value), &fold(part)));
    engine.register_fn(name, move |value: Dynamic, part: Dynamic| -> Outcome<bool> {
        if part.is_unit() {
            return Ok(false);
        }
        let to_the_letter = part.is::<Exact>();
        let part = text_of(name, &part)?;
        for value in values_of(value) {
            let value = text_of(name, &value)?;
            if if to_the_letter { f(&value, &part) } else { f(&fold(&value), &fold(&part)) } {
                return Ok(true);
            }
        }
        Ok(false)
    });
}
