//! Telephone numbers, in the form that every system understands.

use phonenumber::{Mode, country};
use rhai::Dynamic;

use super::shape::{Outcome, each_text, fail, text, text_of};
use super::{Function, Group};

/// The number in E.164, if it is one that the country's plan knows.
fn e164(written: &str, home: country::Id) -> Option<String> {
    // What people write behind a number is for people.
    let number = phonenumber::parse(Some(home), written).ok()?;
    number.is_valid().then(|| number.format().mode(Mode::E164).to_string())
}

fn phone(value: Dynamic, home: Dynamic) -> Outcome {
    let home = if home.is_unit() { return Ok(Dynamic::UNIT) } else { text_of("phone", &home)? };
    let country: country::Id = home
        .to_uppercase()
        .parse()
        .map_err(|_| fail(format!("`{home}` is not a country of two letters, such as `DE`")))?;
    each_text("phone", &value, |written| Ok(text(e164(written, country).unwrap_or_default())))
}

pub(super) static FUNCTIONS: &[Function] = &[Function {
    name: "phone",
    group: Group::Conversion,
    signature: "phone(text, country) -> text",
    doc: "A telephone number in E.164; the country of two letters is that of numbers without one. `()` for what is no number there.",
    examples: &[
        (r#"phone("030 / 226 10 33-0", "DE")"#, r#""+493022610330""#),
        (r#"phone("(425) 882-8080", "us")"#, r#""+14258828080""#),
        (r#"phone("+44 20 7946 0958", "DE")"#, r#""+442079460958""#),
        (r#"phone("ask Jane", "DE")"#, "()"),
        (r#"phone("ask Jane", "DE") ?? "none""#, r#""none""#),
        (r#"phone("1", "Germany")"#, r#"error("`Germany` is not a country of two letters, such as `DE`")"#),
        (r#"phone((), "DE")"#, "()"),
    ],
    register: |engine| {
        engine.register_fn("phone", phone);
    },
}];
