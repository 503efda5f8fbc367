//! Words of rules that need more than values: the object, the target, the rest of the set. The table that `check`, the
//! documentation and editors read; `script.rs` and `host.rs` say what the words do.

/// A word of the host.
#[derive(Debug)]
pub struct Word {
    /// As rules call it.
    pub name: &'static str,
    /// Its parameters and result.
    pub signature: &'static str,
    /// What it does, in one line.
    pub doc: &'static str,
    /// A rule's functions that use it. Each is a test.
    pub example: &'static str,
}

/// All words, in the order of the documentation.
pub const WORDS: [Word; 13] = [
    Word {
        name: "absent",
        signature: "absent() -> no value",
        doc: "Says that there is no value, and that no rule below may give one; in a target, the attribute is cleared.",
        example: "fn flow(user) { #{ title: if user.title == \"n/a\" { absent() } else { user.title } } }",
    },
    Word {
        name: "keep",
        signature: "keep() -> as it is",
        doc: "To a target: leaves what is there, as if the rule did not write the attribute.",
        example: "fn flow(person) { #{ jobTitle: if person.title == () { keep() } else { person.title } } }",
    },
    Word {
        name: "once",
        signature: "once(value) -> at creation",
        doc: "To a target: given when the object is created, and never again.",
        example: "fn flow(person) { #{ preferredLanguage: once(\"en-GB\") } }",
    },
    Word {
        name: "password",
        signature: "password(length) -> a password to be made",
        doc: "To a target, with `once`: a random password for a new account, of 12 to 256 characters. It is made when it is sent; no preview, journal or store holds it.",
        example: "fn flow(person) { #{ \"passwordProfile.password\": once(password(24)) } }",
    },
    Word {
        name: "seed",
        signature: "seed(value) -> where nothing is",
        doc: "To a target: given where the target has no value.",
        example: "fn flow(person) { #{ usageLocation: seed(\"GB\") } }",
    },
    Word {
        name: "merge",
        signature: "merge(list) -> a part of a list",
        doc: "A part of an attribute with many values: all parts together are the value.",
        example: "fn flow(user) { #{ proxyAddresses: merge(user.proxyAddresses) } }",
    },
    Word {
        name: "unique",
        signature: "unique(name, …) or unique(list) -> name",
        doc: "Into the metaverse: the first name that nobody else has in this attribute. Decided once: it stays while the rule gives any name.",
        example: "fn flow(user) { #{ accountName: unique(numbered(lower(user.sn), 20)) } }",
    },
    Word {
        name: "lookup",
        signature: "lookup(table, key) or lookup(table, key, column) -> value",
        doc: "What the table `tables/<name>.csv` or `.toml` says of the key; `()` for a key that it does not have.",
        example: "fn flow(user) { #{ country: lookup(\"countries\", user.co) } }",
    },
    Word {
        name: "setting",
        signature: "setting(name) -> text",
        doc: "A value of `[rules.settings]` in the configuration.",
        example: "fn flow(user) { #{ companyName: user.company ?? setting(\"company\") } }",
    },
    Word {
        name: "count",
        signature: "count(user.attribute) -> number",
        doc: "How many references or values an attribute has, without reading them.",
        example: "fn scope(group) { count(group.member) < 50000 }",
    },
    Word {
        name: "imported",
        signature: "imported(user.attribute) -> value",
        doc: "The value that an import has shown, without what is exported and not yet confirmed.",
        example: "fn flow(user) { #{ mail: imported(user.mail) } }",
    },
    Word {
        name: "is_member_of",
        signature: "is_member_of(user, group) -> true or false",
        doc: "Whether the object is a direct member of the group with that DN or anchor.",
        example: "fn scope(user) { is_member_of(user, \"CN=Pilot,OU=Groups,DC=contoso,DC=com\") }",
    },
    Word {
        name: "is_in_group",
        signature: "is_in_group(user, group) -> true or false",
        doc: "The same, and members of groups that are members of it count as well.",
        example: "fn scope(user) { is_in_group(user, \"CN=Pilot,OU=Groups,DC=contoso,DC=com\") }",
    },
];
