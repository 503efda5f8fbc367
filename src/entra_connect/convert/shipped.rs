//! The rules that stand in the place of those that Entra Connect ships: for exports that only name them.

use super::outcome::AddedRule;

/// File and text, with the connectors `ad` and `entra`.
const RULES: &[(&str, &str)] = &[
    ("in-from-ad-contact-common", include_str!("../../../rules/entra-connect/in-from-ad-contact-common.rhai")),
    ("in-from-ad-contact-join", include_str!("../../../rules/entra-connect/in-from-ad-contact-join.rhai")),
    (
        "in-from-ad-foreign-security-principal",
        include_str!("../../../rules/entra-connect/in-from-ad-foreign-security-principal.rhai"),
    ),
    ("in-from-ad-group-common", include_str!("../../../rules/entra-connect/in-from-ad-group-common.rhai")),
    ("in-from-ad-group-exchange", include_str!("../../../rules/entra-connect/in-from-ad-group-exchange.rhai")),
    ("in-from-ad-group-join", include_str!("../../../rules/entra-connect/in-from-ad-group-join.rhai")),
    (
        "in-from-ad-inetorgperson-account-enabled",
        include_str!("../../../rules/entra-connect/in-from-ad-inetorgperson-account-enabled.rhai"),
    ),
    (
        "in-from-ad-inetorgperson-common-from-exchange",
        include_str!("../../../rules/entra-connect/in-from-ad-inetorgperson-common-from-exchange.rhai"),
    ),
    (
        "in-from-ad-inetorgperson-common",
        include_str!("../../../rules/entra-connect/in-from-ad-inetorgperson-common.rhai"),
    ),
    (
        "in-from-ad-inetorgperson-exchange",
        include_str!("../../../rules/entra-connect/in-from-ad-inetorgperson-exchange.rhai"),
    ),
    ("in-from-ad-inetorgperson-join", include_str!("../../../rules/entra-connect/in-from-ad-inetorgperson-join.rhai")),
    (
        "in-from-ad-user-account-enabled",
        include_str!("../../../rules/entra-connect/in-from-ad-user-account-enabled.rhai"),
    ),
    (
        "in-from-ad-user-common-from-exchange",
        include_str!("../../../rules/entra-connect/in-from-ad-user-common-from-exchange.rhai"),
    ),
    ("in-from-ad-user-common", include_str!("../../../rules/entra-connect/in-from-ad-user-common.rhai")),
    ("in-from-ad-user-exchange", include_str!("../../../rules/entra-connect/in-from-ad-user-exchange.rhai")),
    ("in-from-ad-user-join", include_str!("../../../rules/entra-connect/in-from-ad-user-join.rhai")),
    ("in-from-ad-user-lync", include_str!("../../../rules/entra-connect/in-from-ad-user-lync.rhai")),
    ("in-from-entra-group", include_str!("../../../rules/entra-connect/in-from-entra-group.rhai")),
    ("out-to-entra-group-limit", include_str!("../../../rules/entra-connect/out-to-entra-group-limit.rhai")),
    ("out-to-entra-group", include_str!("../../../rules/entra-connect/out-to-entra-group.rhai")),
    ("out-to-entra-user", include_str!("../../../rules/entra-connect/out-to-entra-user.rhai")),
];

/// The rules, for connectors of these names. `off`: names of rules that are switched off, as names of files.
pub(super) fn rules(directory: &str, tenant: &str, off: &[String]) -> Vec<AddedRule> {
    let named = |text: &str| {
        let text = text.replace("from: \"ad/", &format!("from: \"{directory}/"));
        text.replace("to: \"entra/", &format!("to: \"{tenant}/"))
            .replace("from: \"entra/", &format!("from: \"{tenant}/"))
    };
    let why = "named only in the export: the text is that of 2016, and yours may be newer";
    let is_off = |file: &str| {
        off.iter().any(|name| {
            // A rule of the tenant stands for several.
            let stands_for = [("out-to-entra-user", "user-join"), ("out-to-entra-group", "group-join")];
            let outbound = name.starts_with("out-to-")
                && stands_for.iter().any(|(ours, part)| *ours == file && name.contains(part));
            outbound || name.replace("accountenabled", "account-enabled") == file
        })
    };
    let switched = |file: &str, text: String| {
        if is_off(file) { text.replacen("    precedence:", "    state: \"off\",\n    precedence:", 1) } else { text }
    };
    RULES
        .iter()
        .map(|(file, text)| AddedRule { file: (*file).to_owned(), text: switched(file, named(text)), why })
        .collect()
}
