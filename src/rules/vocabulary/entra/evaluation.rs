//! Tests, and numbers.

use rhai::Dynamic;

use super::{Call, EntraFunction, EntraGroup, conversion, dates};
use crate::rules::vocabulary::shape::Outcome;
use crate::rules::vocabulary::{identifiers, moment};

fn is_bit_set(call: &Call<'_>) -> Outcome {
    if call.is_null(0) {
        return Ok(Dynamic::FALSE);
    }
    let (number, flag) = (call.number(0)?, call.number(1)?);
    Ok((flag != 0 && number & flag == flag).into())
}

/// Whether a text passes a test; nothing and other kinds of values do not.
fn text_test(call: &Call<'_>, test: impl Fn(&str) -> bool) -> Outcome {
    Ok(call.value(0).as_immutable_string_ref().is_ok_and(|text| test(&text)).into())
}

fn is_empty_text(value: &Dynamic) -> bool {
    value.as_immutable_string_ref().is_ok_and(|text| text.is_empty())
}

/// A list without values is an attribute that is not there.
fn is_null(value: &Dynamic) -> bool {
    value.is_unit() || value.as_array_ref().is_ok_and(|values| values.is_empty())
}

fn random(call: &Call<'_>) -> Outcome {
    let (low, high) = (call.number(0)?, call.number(1)?);
    let range = high.checked_sub(low).and_then(|distance| distance.checked_add(1)).filter(|range| *range > 0);
    let range = range.ok_or_else(|| call.error(&format!("there is no number from {low} to {high}")))?;
    let (drawn, _) = moment::draw().as_u64_pair();
    let step = i64::try_from(drawn % range.unsigned_abs()).unwrap_or(0);
    Ok(Dynamic::from_int(low + step))
}

pub(super) static FUNCTIONS: &[EntraFunction] = &[
    EntraFunction {
        name: "IsBitSet",
        group: EntraGroup::Evaluation,
        signature: "IsBitSet(number, flag) -> true or false",
        doc: "Whether the bits of the flag are set; false for nothing. `has_flag` fails there, which is safer.",
        documented: &[("entra::IsBitSet(0xf, 4)", "true")],
        examples: &[("entra::IsBitSet(512, 2)", "false"), ("entra::IsBitSet((), 2)", "false")],
        differs: "Not documented: nothing gives false.",
        arity: (2, 2),
        call: is_bit_set,
    },
    EntraFunction {
        name: "IsDate",
        group: EntraGroup::Evaluation,
        signature: "IsDate(value) -> true or false",
        doc: "Whether `CDate` takes it.",
        documented: &[],
        examples: &[
            (r#"entra::IsDate("2026-01-05")"#, "true"),
            (r#"entra::IsDate("x")"#, "false"),
            ("entra::IsDate(())", "false"),
        ],
        differs: "Not documented: nothing gives false.",
        arity: (1, 1),
        call: |call| text_test(call, |text| dates::parse(text).is_some()),
    },
    EntraFunction {
        name: "IsEmpty",
        group: EntraGroup::Evaluation,
        signature: "IsEmpty(value) -> true or false",
        doc: "Whether it is there and is empty text.",
        documented: &[],
        examples: &[
            (r#"entra::IsEmpty("")"#, "true"),
            (r#"entra::IsEmpty("a")"#, "false"),
            ("entra::IsEmpty(())", "false"),
        ],
        differs: "",
        arity: (1, 1),
        call: |call| Ok(is_empty_text(&call.value(0)).into()),
    },
    EntraFunction {
        name: "IsGuid",
        group: EntraGroup::Evaluation,
        signature: "IsGuid(text) -> true or false",
        doc: "Whether `CGuid` takes it.",
        documented: &[],
        examples: &[
            (r#"entra::IsGuid("00001111-aaaa-2222-bbbb-3333cccc4444")"#, "true"),
            (r#"entra::IsGuid("abc")"#, "false"),
            ("entra::IsGuid(())", "false"),
        ],
        differs: "Not documented: nothing gives false.",
        arity: (1, 1),
        call: |call| text_test(call, |text| identifiers::parse_guid(text).is_ok()),
    },
    EntraFunction {
        name: "IsNull",
        group: EntraGroup::Evaluation,
        signature: "IsNull(value) -> true or false",
        doc: "Whether there is no value; empty text is one.",
        documented: &[("entra::IsNull(())", "true")],
        examples: &[(r#"entra::IsNull("")"#, "false"), ("entra::IsNull([])", "true")],
        differs: "",
        arity: (1, 1),
        call: |call| Ok(is_null(&call.value(0)).into()),
    },
    EntraFunction {
        name: "IsNullOrEmpty",
        group: EntraGroup::Evaluation,
        signature: "IsNullOrEmpty(value) -> true or false",
        doc: "Whether there is no value, or empty text.",
        documented: &[("entra::IsNullOrEmpty(())", "true"), (r#"entra::IsNullOrEmpty("")"#, "true")],
        examples: &[(r#"entra::IsNullOrEmpty("a")"#, "false"), ("entra::IsNullOrEmpty(false)", "false")],
        differs: "",
        arity: (1, 1),
        call: |call| Ok((is_null(&call.value(0)) || is_empty_text(&call.value(0))).into()),
    },
    EntraFunction {
        name: "IsNumeric",
        group: EntraGroup::Evaluation,
        signature: "IsNumeric(value) -> true or false",
        doc: "Whether `CNum` takes it.",
        documented: &[],
        examples: &[
            (r#"entra::IsNumeric("12")"#, "true"),
            (r#"entra::IsNumeric("12a")"#, "false"),
            ("entra::IsNumeric(())", "false"),
        ],
        differs: "Not documented: nothing gives false.",
        arity: (1, 1),
        call: |call| Ok(conversion::number(&call.value(0)).is_some().into()),
    },
    EntraFunction {
        name: "IsPresent",
        group: EntraGroup::Evaluation,
        signature: "IsPresent(value) -> true or false",
        doc: "Whether there is a value that is not empty text; `false` is a value.",
        documented: &[],
        examples: &[
            (r#"entra::IsPresent("a")"#, "true"),
            (r#"entra::IsPresent("")"#, "false"),
            ("entra::IsPresent(false)", "true"),
            ("entra::IsPresent(())", "false"),
        ],
        differs: "",
        arity: (1, 1),
        call: |call| Ok((!is_null(&call.value(0)) && !is_empty_text(&call.value(0))).into()),
    },
    EntraFunction {
        name: "IsString",
        group: EntraGroup::Evaluation,
        signature: "IsString(value) -> true or false",
        doc: "Whether `CStr` takes it: not bytes, not nothing.",
        documented: &[],
        examples: &[
            (r#"entra::IsString("a")"#, "true"),
            (r#"entra::IsString(from_hex("01"))"#, "false"),
            ("entra::IsString(())", "false"),
        ],
        differs: "Not documented: nothing gives false.",
        arity: (1, 1),
        call: |call| {
            let value = call.value(0);
            Ok((value.is_string() || value.is_int() || value.is_bool()).into())
        },
    },
    EntraFunction {
        name: "BitAnd",
        group: EntraGroup::Math,
        signature: "BitAnd(number, number) -> number",
        doc: "The bits that both numbers have.",
        documented: &[("entra::BitAnd(0xf, 0xf7)", "7")],
        examples: &[
            ("entra::BitAnd(-2147483646, 2)", "2"),
            ("entra::BitAnd((), 2)", r#"error("`entra::BitAnd` needs a number, not nothing")"#),
        ],
        differs: "Not documented: nothing is an error.",
        arity: (2, 2),
        call: |call| Ok(Dynamic::from_int(call.number(0)? & call.number(1)?)),
    },
    EntraFunction {
        name: "BitOr",
        group: EntraGroup::Math,
        signature: "BitOr(number, number) -> number",
        doc: "The bits that one of the numbers has.",
        documented: &[],
        examples: &[
            ("entra::BitOr(512, 2)", "514"),
            ("entra::BitOr((), 2)", r#"error("`entra::BitOr` needs a number, not nothing")"#),
        ],
        differs: "Not documented: nothing is an error.",
        arity: (2, 2),
        call: |call| Ok(Dynamic::from_int(call.number(0)? | call.number(1)?)),
    },
    EntraFunction {
        name: "RandomNum",
        group: EntraGroup::Math,
        signature: "RandomNum(low, high) -> number",
        doc: "A number from the lowest to the highest that follows from the object: evaluated again, it is the same.",
        documented: &[],
        examples: &[
            ("entra::RandomNum(3, 3)", "3"),
            ("let number = entra::RandomNum(1, 6); number >= 1 && number <= 6", "true"),
            ("entra::RandomNum(2, 1)", r#"error("`entra::RandomNum`: there is no number from 2 to 1")"#),
            ("entra::RandomNum((), 1)", r#"error("`entra::RandomNum` needs a number, not nothing")"#),
        ],
        differs: "There each evaluation gives another number; here the object decides, so that a preview shows what a run does.",
        arity: (2, 2),
        call: random,
    },
];
