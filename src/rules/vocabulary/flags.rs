//! Numbers whose bits mean something: `userAccountControl`, `groupType`. A number that is not there is an error.

use rhai::Dynamic;

use super::shape::{Outcome, fail, number_of};
use super::{Function, Group};

/// The number, and a flag that is more than nothing.
fn pair(name: &str, number: &Dynamic, flag: &Dynamic) -> Outcome<(i64, i64)> {
    let (number, flag) = (number_of(name, number)?, number_of(name, flag)?);
    if flag == 0 { Err(fail(format!("`{name}` needs a flag, and 0 is none"))) } else { Ok((number, flag)) }
}

pub(super) static FUNCTIONS: &[Function] = &[
    Function {
        name: "has_flag",
        group: Group::Flags,
        signature: "has_flag(number, flag) -> true or false",
        doc: "Whether all bits of the flag are set.",
        examples: &[
            ("has_flag(514, 2)", "true"),
            ("has_flag(512, 2)", "false"),
            ("has_flag(-2147483646, 0x80000000)", "true"),
            ("has_flag((), 2)", r#"error("`has_flag` needs a number, but the attribute is not there")"#),
            (r#"has_flag("514", 2)"#, r#"error("`has_flag` needs a number, not text")"#),
        ],
        register: |engine| {
            engine.register_fn("has_flag", |number: Dynamic, flag: Dynamic| -> Outcome<bool> {
                pair("has_flag", &number, &flag).map(|(number, flag)| number & flag == flag)
            });
        },
    },
    Function {
        name: "set_flag",
        group: Group::Flags,
        signature: "set_flag(number, flag) -> number",
        doc: "The number with the bits of the flag.",
        examples: &[
            ("set_flag(512, 2)", "514"),
            ("set_flag((), 2)", r#"error("`set_flag` needs a number, but the attribute is not there")"#),
        ],
        register: |engine| {
            engine.register_fn("set_flag", |number: Dynamic, flag: Dynamic| -> Outcome<i64> {
                pair("set_flag", &number, &flag).map(|(number, flag)| number | flag)
            });
        },
    },
    Function {
        name: "clear_flag",
        group: Group::Flags,
        signature: "clear_flag(number, flag) -> number",
        doc: "The number without the bits of the flag.",
        examples: &[
            ("clear_flag(514, 2)", "512"),
            ("clear_flag((), 2)", r#"error("`clear_flag` needs a number, but the attribute is not there")"#),
        ],
        register: |engine| {
            engine.register_fn("clear_flag", |number: Dynamic, flag: Dynamic| -> Outcome<i64> {
                pair("clear_flag", &number, &flag).map(|(number, flag)| number & !flag)
            });
        },
    },
];
