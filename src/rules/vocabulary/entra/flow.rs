//! Choices and errors. `$item` of the expression language is a closure's parameter: `|item| …`.

use rhai::{Array, Dynamic};

use super::{Call, EntraFunction, EntraGroup, Failure, plain};
use crate::rules::vocabulary::moment;
use crate::rules::vocabulary::shape::{Outcome, fail};

/// A condition: nothing is false. An error in it is an error.
fn holds(call: &Call<'_>, value: &Dynamic) -> Outcome<bool> {
    if let Some(failure) = value.read_lock::<Failure>() {
        return Err(fail(failure.0.clone()));
    }
    if value.is_unit() { Ok(false) } else { value.as_bool().map_err(|_| call.needs("true or false", value)) }
}

fn choose(call: &Call<'_>, pairs: &[Dynamic]) -> Outcome {
    let (pairs, rest) = pairs.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(call.error("each condition needs a value"));
    }
    for [condition, value] in pairs {
        if holds(call, condition)? {
            return Ok(value.clone());
        }
    }
    Ok(Dynamic::UNIT)
}

fn switch(call: &Call<'_>) -> Outcome {
    let list = call.value(0);
    match list.as_array_ref() {
        Ok(pairs) if call.values.len() == 1 => choose(call, &pairs),
        _ => choose(call, &call.values),
    }
}

fn select(call: &Call<'_>) -> Outcome {
    let change = call.closure(1)?;
    call.each(Dynamic::UNIT, |value| call.apply(&change, value.clone()))
}

fn keep_where(call: &Call<'_>) -> Outcome {
    let test = call.closure(1)?;
    let mut kept = Array::new();
    for value in call.values(0) {
        if holds(call, &call.apply(&test, value.clone())?)? {
            kept.push(value);
        }
    }
    Ok(if kept.is_empty() { Dynamic::UNIT } else { kept.into() })
}

pub(super) static FUNCTIONS: &[EntraFunction] = &[
    EntraFunction {
        name: "Error",
        group: EntraGroup::ProgramFlow,
        signature: "Error(text)",
        doc: "Fails the object with a message where it is the result; a value that is not chosen does nothing.",
        documented: &[],
        examples: &[
            (r#"entra::Len(entra::Error("no mail"))"#, r#"error("no mail")"#),
            (r#"entra::IIF(true, "a", entra::Error("no mail"))"#, r#""a""#),
            (r#"entra::Len(entra::Error(()))"#, r#"error("the rule says error, and no more")"#),
        ],
        differs: "",
        arity: (1, 1),
        call: |call| {
            let message = call.text(0)?.unwrap_or_else(|| "the rule says error, and no more".into());
            Ok(Dynamic::from(Failure(message.into())))
        },
    },
    EntraFunction {
        name: "IIF",
        group: EntraGroup::ProgramFlow,
        signature: "IIF(condition, value, other) -> value",
        doc: "One value where the condition holds, else the other; both are evaluated. `if` evaluates one.",
        documented: &[
            (r#"entra::IIF("Intern" == "Intern", "t-" + "jane", "jane")"#, r#""t-jane""#),
            (r#"entra::IIF("Boss" == "Intern", "t-" + "jane", "jane")"#, r#""jane""#),
        ],
        examples: &[
            (r#"entra::IIF((), "yes", "no")"#, r#""no""#),
            (r#"entra::IIF("x", "yes", "no")"#, r#"error("`entra::IIF` needs true or false, not text")"#),
        ],
        differs: "Not documented: nothing is false.",
        arity: (3, 3),
        call: |call| Ok(call.value(if holds(call, &call.value(0))? { 1 } else { 2 })),
    },
    EntraFunction {
        name: "Select",
        group: EntraGroup::ProgramFlow,
        signature: "Select(list, |item| value) -> list",
        doc: "What the function makes of each value.",
        documented: &[(
            r#"entra::Select(["555-1", "5-55-2"], |item| entra::Replace(item, "-", ""))"#,
            r#"["5551", "5552"]"#,
        )],
        examples: &[
            (r#"entra::Select("a-b", |item| entra::Replace(item, "-", ""))"#, r#""ab""#),
            ("entra::Select((), |item| item)", "()"),
        ],
        differs: "The variable is a closure's parameter.",
        arity: (2, 2),
        call: select,
    },
    EntraFunction {
        name: "Switch",
        group: EntraGroup::ProgramFlow,
        signature: "Switch(condition, value, …) -> value, or Switch([condition, value, …])",
        doc: "The value of the first condition that holds, nothing where none does; all are evaluated. More than four pairs go into a list.",
        documented: &[
            (r#"entra::Switch(entra::IsPresent(()), 1, entra::IsPresent("b"), 2, entra::IsPresent("c"), 3)"#, "2"),
            (
                r#"entra::Switch("Rome" == "London", "English", "Rome" == "Rome", "Italian", true, entra::Error("Unknown city"))"#,
                r#""Italian""#,
            ),
            (
                r#"entra::Len(entra::Switch("Oslo" == "London", "English", "Oslo" == "Rome", "Italian", true, entra::Error("Unknown city")))"#,
                r#"error("Unknown city")"#,
            ),
        ],
        examples: &[
            (r#"entra::Switch([false, 1, true, 2])"#, "2"),
            ("entra::Switch((), 1)", "()"),
            ("entra::Switch(false, 1, false, 2, true)", r#"error("`entra::Switch`: each condition needs a value")"#),
            ("entra::Switch([true])", r#"error("`entra::Switch`: each condition needs a value")"#),
        ],
        differs: "",
        arity: (1, 8),
        call: switch,
    },
    EntraFunction {
        name: "Where",
        group: EntraGroup::ProgramFlow,
        signature: "Where(list, |item| condition) -> list",
        doc: "The values for which the condition holds; nothing where there are none.",
        documented: &[],
        examples: &[
            (r#"entra::Where(["x", "yy"], |item| entra::Len(item) > 1)"#, r#"["yy"]"#),
            (r#"entra::Where(["x"], |item| entra::Len(item) > 1)"#, "()"),
            ("entra::Where((), |item| true)", "()"),
        ],
        differs: "The variable is a closure's parameter.",
        arity: (2, 2),
        call: keep_where,
    },
    EntraFunction {
        name: "With",
        group: EntraGroup::ProgramFlow,
        signature: "With(value, |name| value) -> value",
        doc: "What the function makes of a value that it uses more than once. `let` does the same.",
        documented: &[],
        examples: &[
            (r#"entra::With(entra::Len("abc"), |n| entra::IIF(n > 2, "long", "short"))"#, r#""long""#),
            ("entra::With((), |n| entra::IsNull(n))", "true"),
        ],
        differs: "The variable is a closure's parameter.",
        arity: (2, 2),
        call: |call| call.apply(&call.closure(1)?, call.value(0)),
    },
    EntraFunction {
        name: "Guid",
        group: EntraGroup::Text,
        signature: "Guid() -> text",
        doc: "A GUID that follows from the object: evaluated again, it is the same.",
        documented: &[],
        examples: &[("entra::IsGuid(entra::Guid())", "true"), ("entra::Guid() == ()", "false")],
        differs: "There each evaluation gives another one; here the object decides, so that a preview shows what a run does.",
        arity: (0, 0),
        call: |_| Ok(plain(moment::draw().to_string())),
    },
];
