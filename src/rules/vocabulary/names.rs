//! Distinguished names in rules.

use rhai::Dynamic;

use super::shape::{Outcome, each_text, text, text_of, text_to_text, values_of};
use super::{Function, Group};
use crate::dn;

fn is_under(name: Dynamic, base: Dynamic) -> Outcome<bool> {
    if name.is_unit() {
        return Ok(false);
    }
    let name = text_of("is_under", &name)?;
    for base in values_of(base) {
        let base = text_of("is_under", &base)?;
        if !base.is_empty() && dn::is_under(&name, &base) {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) static FUNCTIONS: &[Function] = &[
    Function {
        name: "rdn_value",
        group: Group::Names,
        signature: "rdn_value(dn) -> text",
        doc: "The value of the first component, without escapes.",
        examples: &[
            (r#"rdn_value("CN=Roe\\, Jane,OU=Sales,DC=contoso,DC=com")"#, r#""Roe, Jane""#),
            ("rdn_value(())", "()"),
        ],
        register: |engine| text_to_text(engine, "rdn_value", |name| dn::rdn_value(name).unwrap_or_default()),
    },
    Function {
        name: "parent_dn",
        group: Group::Names,
        signature: "parent_dn(dn) -> text",
        doc: "The name of the entry above.",
        examples: &[
            (r#"parent_dn("CN=Roe\\, Jane,OU=Sales,DC=contoso")"#, r#""OU=Sales,DC=contoso""#),
            ("parent_dn(())", "()"),
        ],
        register: |engine| text_to_text(engine, "parent_dn", |name| dn::parent(name).unwrap_or_default().to_owned()),
    },
    Function {
        name: "is_under",
        group: Group::Names,
        signature: "is_under(dn, base) -> true or false",
        doc: "Whether the entry is the base or below it; of several bases, whether it is for any.",
        examples: &[
            (r#"is_under("CN=Jane,OU=Sales,DC=contoso", "ou=sales, dc=contoso")"#, "true"),
            (r#"is_under("CN=Jane,OU=Sales,DC=contoso", ["OU=IT,DC=contoso", "DC=contoso"])"#, "true"),
            (r#"is_under("CN=Jane,OU=PreSales", "Sales")"#, "false"),
            (r#"is_under((), "DC=contoso")"#, "false"),
            (r#"is_under("DC=contoso", ())"#, "false"),
        ],
        register: |engine| {
            engine.register_fn("is_under", is_under);
        },
    },
    Function {
        name: "domain_of",
        group: Group::Names,
        signature: "domain_of(dn) -> text",
        doc: "The DNS name that the DC components make.",
        examples: &[(r#"domain_of("CN=Jane,DC=contoso,DC=com")"#, r#""contoso.com""#), ("domain_of(())", "()")],
        register: |engine| text_to_text(engine, "domain_of", dn::domain),
    },
    Function {
        name: "escape_dn",
        group: Group::Names,
        signature: "escape_dn(text) -> text",
        doc: "A value with the escapes that it needs inside a distinguished name.",
        examples: &[
            (r#""CN=" + escape_dn("Roe, Jane") + ",OU=Sales""#, r#""CN=Roe\\, Jane,OU=Sales""#),
            ("escape_dn(())", "()"),
        ],
        register: |engine| {
            engine.register_fn("escape_dn", |value: Dynamic| {
                each_text("escape_dn", &value, |value| Ok(text(dn::escape(value))))
            });
        },
    },
];
