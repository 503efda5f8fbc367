//! What the service behind Entra Connect did by itself, and Graph does not: values that it wants at a creation.

use super::code::Code;
use super::outcome::{AddedRule, ConvertedRule, State};
use crate::entra_connect::export::{Direction, Link, Rule};

/// The precedence of what is added: behind everything.
const LAST: i64 = 900_000;

/// Flows that a rule gets besides its own: comment, attribute, code.
pub(super) fn flows(rule: &Rule) -> Vec<(String, String, Code)> {
    if rule.directory_type == "group" && rule.link == Link::Provision {
        let once = Code::call("once", [Code::plain("false")]);
        return vec![("Graph wants it at the creation.".to_owned(), "mailEnabled".to_owned(), once)];
    }
    Vec::new()
}

/// Rules of their own.
pub(super) fn rules(converted: &[ConvertedRule], files: &[String], tenants: &[String]) -> Vec<AddedRule> {
    let makes = |object_type: &str| {
        converted.iter().find(|rule| {
            let made = format!("/{object_type}\"");
            rule.state == State::On
                && rule.direction == Direction::Outbound
                && rule.text.contains("link: \"provision\"")
                && rule.text.lines().any(|line| line.trim_start().starts_with("to: ") && line.contains(&made))
                && tenants.contains(&rule.connector)
        })
    };
    let mut added = Vec::new();
    for (object_type, text, why) in [
        ("user", USER, "the service made a nickname for accounts without one; Graph refuses them"),
        ("group", GROUP, "the service made a nickname for groups without one; Graph refuses them"),
    ] {
        let file = format!("out-to-entra-{object_type}-nickname");
        let Some(maker) = makes(object_type).filter(|_| !files.contains(&file)) else { continue };
        let text = text.replace("LAST", &LAST.to_string()).replace("\"entra/", &format!("\"{}/", maker.connector));
        added.push(AddedRule { file, text, why });
    }
    added
}

const USER: &str = r#"//! Nicknames for accounts whose source has none.
//!
//! Entra Connect sent accounts without a nickname, and the service made one: of the primary address, of `mail`, of the
//! user name. Graph refuses them.

const rule = #{
    from: "metaverse/person",
    to: "entra/user",
    precedence: LAST,
};

fn flow(person) {
    #{
        mailNickname: mail_nickname(
            before(primary_smtp(person.proxyAddresses), "@")
                ?? before(person.mail, "@")
                ?? before(person.userPrincipalName, "@")
        ),
    }
}
"#;

const GROUP: &str = r#"//! Nicknames for groups whose source has none.
//!
//! Entra Connect sent security groups without a nickname, and the service made one. Graph refuses them.

const rule = #{
    from: "metaverse/group",
    to: "entra/group",
    precedence: LAST,
};

fn flow(group) {
    #{
        mailNickname: mail_nickname(group.cn) ?? mail_nickname(group.sourceAnchor),
    }
}
"#;
