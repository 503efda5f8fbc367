//! The functions of Entra Connect's expression language, under their own names, in the module `entra::` of rules.
//!
//! For rules that were converted, and for people who know these names. Positions count from 1, nothing is `()`, empty
//! text is kept and is not nothing, a date is text as in the rest of the vocabulary, and constants such as
//! `vbBinaryCompare` are `entra::vbBinaryCompare`. [`Failure`] is what `Error` gives: it fails the object only where it
//! is the result, as there, so that it may stand in an argument of `IIF` or `Switch`.

use std::sync::LazyLock;

use rhai::{Array, Dynamic, Engine, FnPtr, FuncRegistration, ImmutableString, Module, NativeCallContext, Shared};

use super::shape::{Outcome, fail, text_of, wrong_kind};

mod certificates;
mod conversion;
mod dates;
mod directory;
mod evaluation;
mod flow;
mod lists;
mod net_format;
mod text;

/// One function of Entra Connect.
#[derive(Debug)]
pub struct EntraFunction {
    /// The name there; rules write `entra::` before it.
    pub name: &'static str,
    /// The part of Entra Connect's own reference that it belongs to.
    pub group: EntraGroup,
    /// Its parameters and result, without `entra::`.
    pub signature: &'static str,
    /// What it does, in one line; nothing and errors included.
    pub doc: &'static str,
    /// The examples of Entra Connect's reference whose result is given there, as rules write them. Each is a test.
    pub documented: &'static [(&'static str, &'static str)],
    /// Examples of our own. Each is a test.
    pub examples: &'static [(&'static str, &'static str)],
    /// Where the reference says otherwise, or says nothing and there was a choice; empty where neither is so.
    pub differs: &'static str,
    /// The least and the greatest number of arguments.
    pub arity: (usize, usize),
    call: fn(&Call<'_>) -> Outcome,
}

/// The parts of Entra Connect's reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntraGroup {
    /// X.509 certificates.
    Certificate,
    /// From one type to another.
    Conversion,
    /// Times.
    DateTime,
    /// Distinguished names.
    Directory,
    /// Tests.
    Evaluation,
    /// Numbers.
    Math,
    /// Attributes with many values.
    MultiValued,
    /// Choices and errors.
    ProgramFlow,
    /// Text.
    Text,
    /// In the rules that Entra Connect ships, but not in its reference.
    Unlisted,
}

impl EntraGroup {
    /// All groups, in the order of the documentation.
    pub const ALL: [EntraGroup; 10] = [
        EntraGroup::Certificate,
        EntraGroup::Conversion,
        EntraGroup::DateTime,
        EntraGroup::Directory,
        EntraGroup::Evaluation,
        EntraGroup::Math,
        EntraGroup::MultiValued,
        EntraGroup::ProgramFlow,
        EntraGroup::Text,
        EntraGroup::Unlisted,
    ];

    /// The heading.
    pub fn title(self) -> &'static str {
        match self {
            EntraGroup::Certificate => "Certificates",
            EntraGroup::Conversion => "Conversion",
            EntraGroup::DateTime => "Date and time",
            EntraGroup::Directory => "Directory",
            EntraGroup::Evaluation => "Evaluation",
            EntraGroup::Math => "Math",
            EntraGroup::MultiValued => "Multi-valued",
            EntraGroup::ProgramFlow => "Program flow",
            EntraGroup::Text => "Text",
            EntraGroup::Unlisted => "Not in the reference",
        }
    }
}

/// Bare words of the expression language.
pub const CONSTANTS: [&str; 8] =
    ["CaseInsensitive", "CaseSensitive", "vbTextCompare", "vbBinaryCompare", "Unicode", "ASCII", "UTF8", "DC"];

/// Functions that need the object: what rules write in their place.
pub const INSTEAD: [(&str, &str, &str); 2] = [
    (
        "ImportedValue",
        "imported(user.mail)",
        "The value that an import has shown, without what is exported and not yet confirmed.",
    ),
    ("ValueCount", "count(group.member)", "How many values or references, without reading them."),
];

pub use certificates::EXAMPLE as EXAMPLE_CERTIFICATE;

/// The error that `Error` makes, as a value.
#[derive(Clone, Debug)]
pub struct Failure(pub String);

/// All functions, in the order of the documentation.
pub fn all() -> impl Iterator<Item = &'static EntraFunction> {
    [
        certificates::FUNCTIONS,
        conversion::FUNCTIONS,
        dates::FUNCTIONS,
        directory::FUNCTIONS,
        evaluation::FUNCTIONS,
        lists::FUNCTIONS,
        flow::FUNCTIONS,
        text::FUNCTIONS,
    ]
    .into_iter()
    .flatten()
}

/// The function of that name, if there is one.
pub fn find(name: &str) -> Option<&'static EntraFunction> {
    all().find(|function| function.name == name)
}

/// Gives an engine the module `entra`, which is made once.
pub(super) fn register(engine: &mut Engine) {
    static MODULE: LazyLock<Shared<Module>> = LazyLock::new(|| module().into());
    engine.register_type_with_name::<Failure>("error");
    engine.register_static_module("entra", Shared::clone(&MODULE));
}

fn module() -> Module {
    let mut module = Module::new();
    for name in CONSTANTS {
        module.set_var(name, name);
    }
    for function in all() {
        for arity in function.arity.0..=function.arity.1 {
            set(&mut module, function, arity);
        }
    }
    module.build_index();
    module
}

/// Rhai has no functions with a changing number of parameters.
fn set(module: &mut Module, function: &'static EntraFunction, arity: usize) {
    macro_rules! with {
        ($($parameter:ident),*) => {
            FuncRegistration::new(function.name).set_into_module(
                module,
                move |context: NativeCallContext, $($parameter: Dynamic),*| -> Outcome {
                    Call { function, context: &context, values: vec![$($parameter),*] }.answer()
                },
            )
        };
    }
    match arity {
        0 => with!(),
        1 => with!(a),
        2 => with!(a, b),
        3 => with!(a, b, c),
        4 => with!(a, b, c, d),
        5 => with!(a, b, c, d, e),
        6 => with!(a, b, c, d, e, f),
        7 => with!(a, b, c, d, e, f, g),
        8 => with!(a, b, c, d, e, f, g, h),
        _ => return,
    };
}

/// A function that is called, and with what.
pub(super) struct Call<'a> {
    function: &'static EntraFunction,
    context: &'a NativeCallContext<'a>,
    values: Vec<Dynamic>,
}

impl Call<'_> {
    fn answer(&self) -> Outcome {
        let chooses = self.function.group == EntraGroup::ProgramFlow;
        let failure = self.values.iter().find_map(|value| value.read_lock::<Failure>());
        match failure {
            Some(failure) if !chooses => Err(fail(failure.0.clone())),
            _ => (self.function.call)(self),
        }
    }

    fn name(&self) -> String {
        format!("entra::{}", self.function.name)
    }

    /// An argument; `()` where there is none.
    fn value(&self, index: usize) -> Dynamic {
        self.values.get(index).cloned().unwrap_or_default()
    }

    fn is_null(&self, index: usize) -> bool {
        self.values.get(index).is_none_or(Dynamic::is_unit)
    }

    fn error(&self, what: &str) -> Box<rhai::EvalAltResult> {
        fail(format!("`{}`: {what}", self.name()))
    }

    fn needs(&self, what: &str, got: &Dynamic) -> Box<rhai::EvalAltResult> {
        wrong_kind(&self.name(), what, got)
    }

    /// A text, or nothing.
    fn text(&self, index: usize) -> Outcome<Option<ImmutableString>> {
        match self.values.get(index) {
            Some(value) if !value.is_unit() => text_of(&self.name(), value).map(Some),
            _ => Ok(None),
        }
    }

    /// A text that steers the function.
    fn needed_text(&self, index: usize) -> Outcome<ImmutableString> {
        self.text(index)?.ok_or_else(|| self.needs("text", &Dynamic::UNIT))
    }

    /// A number; nothing is an error.
    fn number(&self, index: usize) -> Outcome<i64> {
        let value = self.value(index);
        value.as_int().map_err(|_| self.needs("a number", &value))
    }

    /// A function of one argument.
    fn closure(&self, index: usize) -> Outcome<FnPtr> {
        let value = self.value(index);
        value.clone().try_cast::<FnPtr>().ok_or_else(|| self.needs("a function such as `|item| …`", &value))
    }

    /// What a function of one argument gives.
    fn apply(&self, closure: &FnPtr, value: Dynamic) -> Outcome {
        closure.call_within_context(self.context, (value,))
    }

    /// The values of an argument: of a list all, of nothing none.
    fn values(&self, index: usize) -> Array {
        super::shape::values_of(self.value(index))
    }

    /// Applies `f` to the first argument, or to each of its values; nothing gives `null`.
    fn each(&self, null: Dynamic, f: impl Fn(&Dynamic) -> Outcome) -> Outcome {
        let value = self.value(0);
        if value.is_unit() {
            return Ok(null);
        }
        match value.as_array_ref() {
            Ok(values) => Ok(values.iter().map(&f).collect::<Outcome<Array>>()?.into()),
            Err(_) => f(&value),
        }
    }

    /// [`Call::each`] for functions of text.
    fn each_text(&self, null: Dynamic, f: impl Fn(&str) -> Outcome) -> Outcome {
        let name = self.name();
        self.each(null, |value| f(&text_of(&name, value)?))
    }

    /// A text out of each text; nothing out of nothing.
    fn map_text(&self, f: impl Fn(&str) -> String) -> Outcome {
        self.each_text(Dynamic::UNIT, |text| Ok(plain(f(text))))
    }
}

/// Text as a value. Unlike in the rest of the vocabulary, empty text stays text.
fn plain(text: impl Into<ImmutableString>) -> Dynamic {
    text.into().into()
}

fn count(number: usize) -> Dynamic {
    Dynamic::from_int(i64::try_from(number).unwrap_or(i64::MAX))
}
