//! Every code that a finding can have: what it means, and an example of it. A code never changes its meaning.

/// One code.
#[derive(Debug)]
pub struct Explanation {
    /// `E210`: an error. `W122`: a warning.
    pub code: &'static str,
    /// What it is, in a few words.
    pub title: &'static str,
    /// Why it matters, and what to do.
    pub meaning: &'static str,
    /// Something that has it: a function of a rule, or a whole rule; nothing where it is not about one rule.
    pub wrong: Option<&'static str>,
    /// The same without it.
    pub right: Option<&'static str>,
}

/// The explanation of a code, whatever its letter case.
pub fn explain(code: &str) -> Option<&'static Explanation> {
    CODES.iter().find(|known| known.code.eq_ignore_ascii_case(code))
}

const fn plain(code: &'static str, title: &'static str, meaning: &'static str) -> Explanation {
    Explanation { code, title, meaning, wrong: None, right: None }
}

const fn shown(
    code: &'static str,
    title: &'static str,
    meaning: &'static str,
    wrong: &'static str,
    right: &'static str,
) -> Explanation {
    Explanation { code, title, meaning, wrong: Some(wrong), right: Some(right) }
}

/// All codes, in order.
pub const CODES: &[Explanation] = &[
    plain(
        "E001",
        "a rules folder or a rule file cannot be read",
        "Nothing is used of a folder that cannot be read as a whole. Check the path in `[rules] folder`, and the rights.",
    ),
    plain(
        "E002",
        "there are no rules",
        "A folder without rules would let everybody go. A rule is a file that ends in `.rhai`.",
    ),
    plain("E003", "the configuration cannot be read", "Name the file with `--config`."),
    plain(
        "E004",
        "the rules folder does not come to rest",
        "Rules are used when two readings of the folder agree. Something writes to it all the time.",
    ),
    plain(
        "E005",
        "tests of rules cannot be read",
        "Tests are TOML files in the folder `tests` beside the rules, or where `syncline test --folder` says.",
    ),
    plain(
        "E006",
        "a test file is wrong",
        "Names of rules, types and attributes in tests are checked, so that no test passes because of a typo.",
    ),
    plain(
        "E007",
        "a rule lies where nobody reads it",
        "Rules lie in the rules folder itself, helpers in `lib/`. A folder whose name begins with a dot is left alone.",
    ),
    plain("E010", "the configuration is wrong", "Every mistake is told at once, each with its place."),
    shown(
        "E100",
        "this is no Rhai",
        "The text cannot be understood. The place is where the reader gave up; the mistake is often just before it.",
        "fn flow(user) { #{ title: trim(user.title } }",
        "fn flow(user) { #{ title: trim(user.title) } }",
    ),
    shown(
        "E101",
        "there is no header",
        "A rule says from where to where it goes in `const rule = #{ … }`, at the top of the file.",
        "const ruel = #{ from: \"ad/user\", to: \"metaverse/person\", precedence: 100 };\nfn flow(user) { #{ title: user.title } }",
        "const rule = #{ from: \"ad/user\", to: \"metaverse/person\", precedence: 100 };\nfn flow(user) { #{ title: user.title } }",
    ),
    shown(
        "E102",
        "a key of the header has a value that it cannot have",
        "The header is read without running it, so its values are literals.",
        "const rule = #{ from: \"ad/user\", to: \"metaverse/person\", link: \"provision\", precedence: 100 };",
        "const rule = #{ from: \"ad/user\", to: \"metaverse/person\", link: \"project\", precedence: 100 };",
    ),
    shown(
        "E103",
        "the header has a key that does not exist",
        "An unknown key would be ignored, and the rule would not do what it says.",
        "const rule = #{ from: \"ad/user\", to: \"metaverse/person\", precedense: 100, precedence: 1 };",
        "const rule = #{ from: \"ad/user\", to: \"metaverse/person\", precedence: 100 };",
    ),
    plain(
        "E104",
        "two rules have one name",
        "The name of a rule is that of its file; lineage and decisions refer to it.",
    ),
    shown(
        "E110",
        "a function that a rule does not have",
        "The functions of a rule are `scope`, `join` and `flow`. A helper is `private fn`, or stands in `lib/`.",
        "fn flwo(user) { #{ title: user.title } }",
        "fn flow(user) { #{ title: user.title } }",
    ),
    shown(
        "E111",
        "`flow` does not end in a map",
        "What a rule writes must be known without running it, so `flow` ends in one map literal.",
        "fn flow(user) { let out = #{ title: user.title }; out }",
        "fn flow(user) { #{ title: user.title } }",
    ),
    shown(
        "E112",
        "`scope`, `join` and `flow` take one parameter",
        "They are given the object and nothing else.",
        "fn scope(user, group) { true }",
        "fn scope(user) { user.mail != () }",
    ),
    shown(
        "E113",
        "the object is handed on as a whole",
        "What a rule reads must be known without running it, so helpers are handed values.",
        "private fn name(user) { user.cn }\nfn flow(user) { #{ displayName: name(user) } }",
        "private fn name(text) { trim(text) }\nfn flow(user) { #{ displayName: name(user.cn) } }",
    ),
    shown(
        "E114",
        "the name of an attribute is computed",
        "What a rule reads must be known without running it, so the name is a literal.",
        "fn flow(user) { let name = \"cn\"; #{ displayName: user[name] } }",
        "fn flow(user) { #{ displayName: user[\"cn\"] } }",
    ),
    shown(
        "E115",
        "an attribute is flowed twice",
        "Only one of the two would count.",
        "fn flow(user) { #{ mail: user.mail, Mail: lower(user.mail) } }",
        "fn flow(user) { #{ mail: lower(user.mail) } }",
    ),
    shown(
        "E116",
        "`imported` without an attribute",
        "`imported(user.mail)` is what the last import showed, without what is on its way. It is about one attribute.",
        "fn flow(user) { #{ mail: imported(lower(user.mail)) } }",
        "fn flow(user) { #{ mail: lower(imported(user.mail)) } }",
    ),
    shown(
        "E117",
        "`scope` or `join` ends without an answer",
        "The last line of a function is its answer. Without one every object would be in error.",
        "fn scope(user) { let known = user.mail != (); }",
        "fn scope(user) { user.mail != () }",
    ),
    shown(
        "E118",
        "a word for targets in a rule into the metaverse",
        "`keep()`, `once(…)` and `seed(…)` speak of what a target has already. The metaverse has only what rules give.",
        "fn flow(user) { #{ title: user.title ?? keep() } }",
        "fn flow(user) { #{ title: user.title } }",
    ),
    shown(
        "E119",
        "the object is changed",
        "An object is what a directory showed. New values are variables, and what `flow` ends in.",
        "fn flow(user) { user.title = \"Clerk\"; #{ title: user.title } }",
        "fn flow(user) { let title = user.title ?? \"Clerk\"; #{ title: title } }",
    ),
    shown(
        "E120",
        "there is no such function",
        "`syncline docs functions` lists them.",
        "fn flow(user) { #{ mail: lowr(user.mail) } }",
        "fn flow(user) { #{ mail: lower(user.mail) } }",
    ),
    shown(
        "E121",
        "there is no such variable",
        "Attributes are read from the object: `user.mail`.",
        "fn flow(user) { #{ mail: mial } }",
        "fn flow(user) { let mail = user.mail; #{ mail: mail } }",
    ),
    shown(
        "E122",
        "there is no such library",
        "`names::full(…)` is the function `full` of `lib/names.rhai`.",
        "fn flow(user) { #{ cn: nmaes::full(user.cn) } }",
        "fn flow(user) { #{ cn: trim(user.cn) } }",
    ),
    shown(
        "E123",
        "`source` or `target` does not have this",
        "`source` has connector, domain_fqdn, domain_netbios and dn; `target` has connector, name, initial_domain and verified_domains.",
        "fn flow(user) { #{ domain: source.domain } }",
        "fn flow(user) { #{ domain: source.domain_fqdn } }",
    ),
    shown(
        "E124",
        "`source` and `target` are mixed up",
        "A rule into the metaverse knows its `source`, a rule to a target knows the `target`.",
        "fn flow(user) { #{ domain: target.initial_domain } }",
        "fn flow(user) { #{ domain: source.domain_fqdn } }",
    ),
    shown(
        "E125",
        "there is no such setting",
        "`setting(\"name\")` reads `[rules.settings]` of the configuration.",
        "fn flow(user) { #{ company: setting(\"company\") } }",
        "fn flow(user) { #{ company: user.company } }",
    ),
    shown(
        "E126",
        "a function is called with too few or too many values",
        "The hint shows what it takes.",
        "fn flow(user) { #{ title: left(user.title) } }",
        "fn flow(user) { #{ title: left(user.title, 64) } }",
    ),
    shown(
        "E127",
        "a label of `switch` that never fits",
        "`switch` compares to the letter, and what `lower` makes has no capitals.",
        "fn flow(user) { #{ c: switch lower(user.co) { \"Germany\" => \"DE\", _ => () } } }",
        "fn flow(user) { #{ c: switch lower(user.co) { \"germany\" => \"DE\", _ => () } } }",
    ),
    plain(
        "E128",
        "a library takes the name of a module",
        "`entra` is the module with the names of Entra Connect's functions. `lib/entra.rhai` would hide it.",
    ),
    shown(
        "E129",
        "a unique name where it cannot be",
        "`unique` looks for a name that nobody else in the metaverse has in one attribute. So it stands beside that attribute, in the map that ends `flow`.",
        "fn flow(user) { let name = unique(user.sn, user.cn); #{ accountName: name } }",
        "fn flow(user) { #{ accountName: unique(user.sn, user.cn) } }",
    ),
    plain(
        "E130",
        "a lookup table cannot be read",
        "A table is `tables/<name>.csv`, with a line of column names and the key in the first column, or `tables/<name>.toml`. Each key is there once.",
    ),
    shown(
        "E131",
        "there is no such table, or no such column",
        "`lookup(\"sites\", key)` reads `tables/sites.csv` or `tables/sites.toml`; the column may be left out where there is just one.",
        "fn flow(user) { #{ country: lookup(\"countries\", user.co) } }",
        "fn flow(user) { #{ country: user.co } }",
    ),
    shown(
        "E132",
        "something stands outside of every function",
        "A rule is its header and its functions, and functions do not see what stands beside them.",
        "let company = \"Contoso\";\nfn flow(user) { #{ title: user.title } }",
        "fn flow(user) { let company = \"Contoso\"; #{ title: user.title + \", \" + company } }",
    ),
    shown(
        "E133",
        "a key of the header for the other direction",
        "`deprovision` and `members` say what happens to objects of a target, so they stand in rules to a target.",
        "const rule = #{ from: \"ad/user\", to: \"metaverse/person\", precedence: 100, deprovision: \"delete\" };\nfn flow(user) { #{ title: user.title } }",
        "const rule = #{ from: \"ad/user\", to: \"metaverse/person\", precedence: 100 };\nfn flow(user) { #{ title: user.title } }",
    ),
    shown(
        "E134",
        "`password` outside of `once`",
        "A password is made when an account is made, and never again. No text can be one: rules say how long it is.",
        "const rule = #{ from: \"metaverse/person\", to: \"entra/user\", precedence: 100 };\nfn flow(person) { #{ \"passwordProfile.password\": password(24) } }",
        "const rule = #{ from: \"metaverse/person\", to: \"entra/user\", precedence: 100 };\nfn flow(person) { #{ \"passwordProfile.password\": once(password(24)) } }",
    ),
    plain(
        "E136",
        "a rule that is to be switched on or off is not there",
        "`switch_on` and `switch_off` of `[rules]` name rules by their files, without `.rhai`.",
    ),
    shown(
        "E137",
        "a way through `scope` without an answer",
        "A `switch` without `_`, and an `if` without `else`, give nothing to whatever is not named. Such an object would be in error: it keeps its state, and is told in every run.",
        "fn scope(user) { switch lower(user.employeeType) { \"staff\" => true, \"guest\" => false } }",
        "fn scope(user) { switch lower(user.employeeType) { \"staff\" => true, _ => false } }",
    ),
    shown(
        "W122",
        "half a text where a value is missing",
        "`` `${user.sn}@x` `` is `@x` where there is no `sn`. With `+` the whole is nothing as soon as a part is.",
        "fn flow(user) { #{ mail: `${user.sn}@contoso.com` } }",
        "fn flow(user) { #{ mail: user.sn + \"@contoso.com\" } }",
    ),
    shown(
        "W123",
        "a variable is never used",
        "Often the name was misspelled where it is read.",
        "fn flow(user) { let mail = lower(user.mail); #{ mail: user.mail } }",
        "fn flow(user) { let mail = lower(user.mail); #{ mail: mail } }",
    ),
    shown(
        "W124",
        "a condition is always the same",
        "One of the branches is never gone.",
        "fn scope(user) { if true { user.mail != () } else { false } }",
        "fn scope(user) { user.mail != () }",
    ),
    shown(
        "W125",
        "`switch` compares to the letter",
        "Everything else in rules ignores letter case, `switch` cannot: `\"germany\"` and `\"Germany\"` are two labels.",
        "fn flow(user) { #{ c: switch user.co { \"Germany\" => \"DE\", _ => () } } }",
        "fn flow(user) { #{ c: switch lower(user.co) { \"germany\" => \"DE\", _ => () } } }",
    ),
    shown(
        "W126",
        "both sides of a comparison are the same",
        "Such a comparison has the same answer for every object.",
        "fn scope(user) { user.title == user.title }",
        "fn scope(user) { user.title == user.description }",
    ),
    shown(
        "W128",
        "a helper that gives nothing",
        "Its last line is no value, so what calls it gets `()`.",
        "private fn full(a, b) { let name = a + b; }\nfn flow(user) { #{ cn: full(user.sn, user.cn) } }",
        "private fn full(a, b) { a + b }\nfn flow(user) { #{ cn: full(user.sn, user.cn) } }",
    ),
    shown(
        "W127",
        "one bar or ampersand between conditions",
        "`&` and `|` work on the bits of numbers, and bind tighter than comparisons. Conditions are joined by `&&` and `||`.",
        "fn scope(user) { (user.mail != ()) & (user.title != ()) }",
        "fn scope(user) { user.mail != () && user.title != () }",
    ),
    shown(
        "E210",
        "the attribute is not in the schema",
        "The directory's schema is known and has no such attribute: nothing would ever be read or written.",
        "const rule = #{ from: \"metaverse/person\", to: \"entra/user\", precedence: 100 };\nfn flow(person) { #{ dipslayName: person.displayName } }",
        "const rule = #{ from: \"metaverse/person\", to: \"entra/user\", precedence: 100 };\nfn flow(person) { #{ displayName: person.displayName } }",
    ),
    shown(
        "E211",
        "the attribute cannot be written",
        "The target lets it be read only.",
        "const rule = #{ from: \"metaverse/person\", to: \"entra/user\", precedence: 100 };\nfn flow(person) { #{ onPremisesSyncEnabled: person.displayName } }",
        "const rule = #{ from: \"metaverse/person\", to: \"entra/user\", precedence: 100 };\nfn flow(person) { #{ displayName: person.displayName } }",
    ),
    shown(
        "W210",
        "the attribute is not among the well-known ones",
        "A file has no schema, and the table that ships does not know the name. It may be right.",
        "fn flow(user) { #{ title: user.titel } }",
        "fn flow(user) { #{ title: user.title } }",
    ),
    shown(
        "W212",
        "no rule writes this metaverse attribute",
        "It is always empty, so the flow clears the target, or the scope is always false.",
        "const rule = #{ from: \"metaverse/person\", to: \"entra/user\", precedence: 100 };\nfn flow(person) { #{ displayName: person.dipslayName } }",
        "const rule = #{ from: \"metaverse/person\", to: \"entra/user\", precedence: 100 };\nfn flow(person) { #{ displayName: person.displayName } }",
    ),
    shown(
        "E220",
        "there is no such connector",
        "`from` and `to` name a connector of the configuration: `[connector.ad]` is `ad/…`.",
        "const rule = #{ from: \"da/user\", to: \"metaverse/person\", precedence: 100 };",
        "const rule = #{ from: \"ad/user\", to: \"metaverse/person\", precedence: 100 };",
    ),
    shown(
        "E221",
        "the connector has no objects of this type",
        "`objects` in the configuration says which types a connector has.",
        "const rule = #{ from: \"ad/usr\", to: \"metaverse/person\", precedence: 100 };",
        "const rule = #{ from: \"ad/user\", to: \"metaverse/person\", precedence: 100 };",
    ),
    plain(
        "W220",
        "two rules with one precedence write one attribute",
        "Nobody can see which wins; the name of the file decides. Give the better one a lower number.",
    ),
    plain("W221", "an attribute that nobody reads looks like one that nobody writes", "One of the two is misspelled."),
    plain(
        "W222",
        "a rule never links anything",
        "Two rules without a scope link the same objects, and only the one with the lower precedence is asked.",
    ),
    plain(
        "E223",
        "a list for an attribute that holds one value",
        "The metaverse attribute is a list. Choose one of its values: `first(person.mails)`.",
    ),
    shown(
        "E224",
        "a value of another kind than the attribute",
        "A flag is not a text, and a text in place of a flag would be refused, or never be equal.",
        "const rule = #{ from: \"metaverse/person\", to: \"entra/user\", precedence: 100 };\nfn flow(person) { #{ accountEnabled: \"true\" } }",
        "const rule = #{ from: \"metaverse/person\", to: \"entra/user\", precedence: 100 };\nfn flow(person) { #{ accountEnabled: true } }",
    ),
    shown(
        "E225",
        "something that the directory never takes",
        "Microsoft Graph has no way to make organizational contacts, distribution lists and mail-enabled security groups: they belong to Exchange. A rule for them would fail for every object.",
        "const rule = #{ from: \"metaverse/group\", to: \"entra/group\", link: \"provision\", precedence: 100 };\nfn flow(group) { #{ mailEnabled: once(true) } }",
        "const rule = #{ from: \"metaverse/group\", to: \"entra/group\", link: \"provision\", precedence: 100 };\nfn flow(group) { #{ mailEnabled: once(false) } }",
    ),
    shown(
        "E226",
        "objects that cannot be disabled",
        "`deprovision: \"disable\"` switches an account off. Groups have no switch, nor have the entries of an OpenLDAP server.",
        "const rule = #{ from: \"metaverse/group\", to: \"entra/group\", link: \"provision\", precedence: 100, deprovision: \"disable\" };",
        "const rule = #{ from: \"metaverse/group\", to: \"entra/group\", link: \"provision\", precedence: 100, deprovision: \"disconnect\" };",
    ),
    shown(
        "E227",
        "flags of something that is no number",
        "`has_flag` and its like look at the bits of numbers, and fail for a text, even one of digits.",
        "fn scope(user) { !has_flag(user.title, 2) }",
        "fn scope(user) { !has_flag(user.userAccountControl, 2) }",
    ),
    plain(
        "W300",
        "a value that changes again, though nothing changed outside",
        "`check --deep` synchronises everybody once more, and lets the targets show what was written. A value that is then another one, again and again, is made of itself: a rule reads from a target what rules write there. It would be written with every run. The note shows what one object goes through. Read the value from where it is mastered, or leave one of the two flows out.",
    ),
    plain(
        "W301",
        "a link that the second run dissolves",
        "`check --deep` synchronises everybody once more, and lets the targets show what was written. An object that belongs to somebody after the first run and to nobody after the second is made and let go in turn: the scope of a rule asks for what rules write.",
    ),
    plain(
        "W310",
        "two rules write different values for one attribute of the same object",
        "`check --deep` has seen objects for which both rules have something to say, and not the same. The lower `precedence` wins, so the other value is never seen. That may be meant, as where HR knows better than Active Directory; it is not meant where a rule was only to fill a gap. Where both say the same, nothing is told.",
    ),
    plain(
        "W311",
        "only an order decides between different values",
        "`check --deep` has seen objects that are given different values with one `precedence`. Then the connector that stands first in the configuration wins, then the rule whose name sorts first. Who moves a section or renames a file changes values. W220 warns of rules that might meet so; here they do.",
    ),
    plain(
        "W312",
        "lists that differ only in order",
        "`check --deep` has seen two rules that give the same values in another order. A directory keeps a set, so nothing would change there; what takes the first value of such a list depends on who wins.",
    ),
    plain(
        "W320",
        "a rule that never applies",
        "`check --deep` has found nobody in the scope of the rule, or no object of the kind that it reads. Often a text in `scope` is misspelled, or an attribute is always empty: the note names the clause that says no to everybody.",
    ),
    plain(
        "W321",
        "a branch that never comes",
        "`check --deep` has seen a condition that came out the same for everybody, so that what hangs on it is never done, or labels of a `switch` that nothing fits. It may wait for somebody who is yet to come; often a text is misspelled. What is there to be missing is not told: what follows `??`, the default of a `switch`, an `error(…)`.",
    ),
    plain(
        "E601",
        "a flow of Entra Connect that needs a hand",
        "`import-entra-connect` has read the expression, and rules cannot say the same: bytes are put together, a reference is calculated, two lists are taken one by one. The flow fails every object of its rule until somebody writes it; the original stands above it.",
    ),
    plain(
        "E602",
        "an expression of Entra Connect that cannot be read",
        "The caret marks where, and the hint says what is meant: `IIF` for `IF`, a bracket that is missing, an argument that is empty. Entra Connect would not have run it either. The flow fails every object of its rule until somebody writes it.",
    ),
    plain(
        "W601",
        "an expression of Entra Connect that was read with a grain of salt",
        "It was converted, and something about it should be looked at: typographic quotes, letter case of a name, operators without brackets, `IgnoreThisFlow` into the metaverse, a function whose answer is another one at each evaluation.",
    ),
];
