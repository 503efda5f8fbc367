//! Distinguished names.

use rhai::Dynamic;

use super::{Call, EntraFunction, EntraGroup, plain};
use crate::dn;
use crate::rules::vocabulary::shape::Outcome;

/// The value of a component, with its escapes; counted from 1, from the left or from the right.
fn component(call: &Call<'_>, from_right: bool) -> Outcome {
    let index = call.number(1)?;
    let skip_domain = match call.text(2)?.as_deref() {
        None => false,
        Some("DC") => true,
        Some(other) => return Err(call.error(&format!("`{other}` is not `DC`"))),
    };
    call.each_text(Dynamic::UNIT, |name| {
        let mut parts: Vec<(&str, &str)> = dn::components(name).collect();
        parts.retain(|(kind, _)| !skip_domain || !kind.eq_ignore_ascii_case("dc"));
        if from_right {
            parts.reverse();
        }
        let part = usize::try_from(index - 1).ok().and_then(|index| parts.get(index));
        part.map(|(_, value)| plain(*value)).ok_or_else(|| call.error(&format!("`{name}` has no component {index}")))
    })
}

/// The kind of a component stays as it is.
fn escape(value: &str) -> String {
    match value.split_once('=') {
        Some((kind, value)) => format!("{kind}={}", dn::escape(value)),
        None => dn::escape(value),
    }
}

pub(super) static FUNCTIONS: &[EntraFunction] = &[
    EntraFunction {
        name: "DNComponent",
        group: EntraGroup::Directory,
        signature: "DNComponent(name, number) -> text",
        doc: "The value of a component, counted from the left, with its escapes; an error where there is none.",
        documented: &[(r#"entra::DNComponent(entra::CRef("cn=Joe,ou=Sales,dc=contoso,dc=com"), 1)"#, r#""Joe""#)],
        examples: &[
            (r#"entra::DNComponent("CN=Roe\\, Jane,OU=IT,DC=x", 1)"#, r#""Roe\\, Jane""#),
            (r#"entra::DNComponent("CN=Ann", 2)"#, r#"error("`entra::DNComponent`: `CN=Ann` has no component 2")"#),
            ("entra::DNComponent((), 1)", "()"),
        ],
        differs: "Not documented: nothing gives nothing.",
        arity: (2, 2),
        call: |call| component(call, false),
    },
    EntraFunction {
        name: "DNComponentRev",
        group: EntraGroup::Directory,
        signature: "DNComponentRev(name, number [, DC]) -> text",
        doc: "The value of a component, counted from the right; with `DC`, the domain's components do not count.",
        documented: &[
            (r#"entra::DNComponentRev(entra::CRef("cn=Joe,ou=Atlanta,ou=GA,ou=US, dc=contoso,dc=com"), 3)"#, r#""US""#),
            (
                r#"entra::DNComponentRev(entra::CRef("cn=Joe,ou=Atlanta,ou=GA,ou=US, dc=contoso,dc=com"), 1, "DC")"#,
                r#""US""#,
            ),
        ],
        examples: &[
            (
                r#"entra::DNComponentRev("CN=Ann,DC=x", 2, entra::DC)"#,
                r#"error("`entra::DNComponentRev`: `CN=Ann,DC=x` has no component 2")"#,
            ),
            ("entra::DNComponentRev((), 1)", "()"),
        ],
        differs: "Not documented: nothing gives nothing.",
        arity: (2, 3),
        call: |call| component(call, true),
    },
    EntraFunction {
        name: "EscapeDNComponent",
        group: EntraGroup::Directory,
        signature: "EscapeDNComponent(text) -> text",
        doc: "One component of a name, `cn=…`, with the escapes that its value needs.",
        documented: &[],
        examples: &[
            (r#"entra::EscapeDNComponent("cn=Smith, Ann")"#, r#""cn=Smith\\, Ann""#),
            (r#"entra::EscapeDNComponent("Smith, Ann")"#, r#""Smith\\, Ann""#),
            ("entra::EscapeDNComponent(())", "()"),
        ],
        differs: "Not documented: nothing gives nothing.",
        arity: (1, 1),
        call: |call| call.map_text(escape),
    },
];
