//! Errors about groups.

use serde_json::{Value as Json, json};

use super::cases::{Case, Flow};
use super::users::{lengths, text};

fn one(name: &'static str, value: &str) -> Flow {
    vec![(name, value.to_owned())]
}

fn flags(unified: bool, mail: bool, security: bool) -> Flow {
    let types = if unified { "once([\"Unified\"])" } else { "once([])" };
    vec![
        ("groupTypes", types.into()),
        ("mailEnabled", format!("once({mail})")),
        ("securityEnabled", format!("once({security})")),
    ]
}

pub(crate) fn cases() -> Vec<Case> {
    let case = |error: &str, wrong, fine| Case::of("group", error, wrong, fine);
    let texts = |error: &str, name: &'static str, wrong: &str, fine: &str| {
        case(error, one(name, &text(wrong)), one(name, &text(fine)))
    };
    let held = |error: &str, there: Json| {
        case(error, one("description", &text("x")), one("description", &text("x")))
            .there_and(there, json!({}))
            .by_hand(json!({"description": "x"}))
    };
    let mut cases = vec![
        case("a group is made without `displayName`", one("displayName", "()"), one("displayName", &text("Staff")))
            .reported(),
        case("a group is made without `mailNickname`", one("mailNickname", "()"), one("mailNickname", &text("staff")))
            .reported(),
        texts("a group's nickname with a bracket", "mailNickname", "staff(all)", "staff.all"),
        texts("a group's nickname with a comma", "mailNickname", "staff,all", "staff_all"),
        case(
            "the unique name of another group",
            one("uniqueName", "once(\"held\")"),
            one("uniqueName", "once(\"free\")"),
        )
        .beside(json!({"type": "group", "displayName": "Holder", "uniqueName": "held", "securityEnabled": true})),
        // "The service does not currently support writes of mail-enabled groups."
        case("a mail-enabled security group is made", flags(false, true, true), flags(false, false, true)).reported(),
        case("a Microsoft 365 group without mail", flags(true, false, false), flags(true, true, false)),
        case(
            "a group that is neither for security nor for mail",
            flags(false, false, false),
            flags(false, false, true),
        ),
        case("`uniqueName` is changed", one("uniqueName", &text("another")), one("description", &text("changed")))
            .there(json!({})),
        case(
            "`visibility` becomes `HiddenMembership`",
            one("visibility", &text("HiddenMembership")),
            one("visibility", &text("Private")),
        )
        .there(json!({})),
        case("`displayName` of a group is cleared", one("displayName", "absent()"), one("displayName", &text("Crew")))
            .there(json!({"displayName": "Staff"})),
        held("a write to a group that Microsoft's client synchronises", json!({"onPremisesSyncEnabled": true})),
        held("a write to a mail-enabled security group", json!({"mailEnabled": true})),
    ];
    cases.extend(lengths("group"));
    cases
}
