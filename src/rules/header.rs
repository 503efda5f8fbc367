//! The header of a rule file: the literal `const rule = #{…}`, read from the syntax tree without running anything.

use std::sync::Arc;

use rhai::{AST, ASTFlags, ASTNode, Dynamic, Expr, Position, Stmt};
use serde::{Deserialize, Serialize};

pub use crate::connector_space::{Deprovision, Members};
use crate::diagnostic::{Diagnostic, SourceText, word_at};
use crate::value::AttributeName;

/// Which way a rule works, and between what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From connectors into the metaverse.
    Inbound {
        /// `connector/type` pairs the rule reads.
        from: Vec<ConnectorType>,
        /// The metaverse type; nothing for `metaverse/*`.
        to: Option<String>,
    },
    /// From the metaverse to a connector.
    Outbound {
        /// The metaverse type.
        from: String,
        /// Where to.
        to: ConnectorType,
    },
}

/// An object type of a connector: `ad/user`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConnectorType {
    /// The name of the connector in the configuration.
    pub connector: String,
    /// The object type.
    pub object_type: String,
}

/// What a rule does beyond flowing values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkType {
    /// No link of its own: flows once another rule has linked the object.
    None,
    /// Links to what exists (inbound and outbound).
    Join,
    /// Inbound: links, and creates the metaverse object when there is none to join.
    Project,
    /// Inbound: like join, and keeps the metaverse object alive.
    Sticky,
    /// Outbound: links, and creates the object in the connector when there is none to join.
    Provision,
}

/// Whether a rule takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// In runs.
    On,
    /// Nowhere.
    Off,
    /// In plans and previews only.
    Proposed,
}

/// A plain flow that is carried out without entering the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// The attribute written.
    pub to: AttributeName,
    /// The attribute read.
    pub from: AttributeName,
    /// Whether text is trimmed on the way.
    pub trim: bool,
}

/// The whole header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// From and to.
    pub direction: Direction,
    /// What it links.
    pub link: LinkType,
    /// Lower wins.
    pub precedence: i64,
    /// `copy` and `trim`.
    pub copies: Vec<Copy>,
    /// Whether it takes part.
    pub state: State,
    /// What happens at the end.
    pub deprovision: Deprovision,
    /// After how many days an object that was disabled is deleted; nothing: never.
    pub delete_after: Option<u16>,
    /// How members are reconciled; nothing: `own` for joined groups, `exact` for provisioned ones.
    pub members: Option<Members>,
    /// Attributes whose contributions are merged, not chosen.
    pub merge: Vec<AttributeName>,
    /// Attributes without which the rule does not apply: where the directory's schema lacks one, the rule is not used.
    pub needs: Vec<AttributeName>,
    /// The line of the header in the file, for lineage of copies.
    pub line: u32,
}

const KEYS: [&str; 12] = [
    "from",
    "to",
    "link",
    "precedence",
    "copy",
    "trim",
    "state",
    "deprovision",
    "delete_after",
    "members",
    "merge",
    "needs",
];

/// Reads the header of a compiled file, collecting every problem.
pub(super) fn read(ast: &AST, source: &Arc<SourceText>) -> Result<Header, Vec<Diagnostic>> {
    let Some((map, position)) = header_map(ast) else {
        return Err(vec![
            Diagnostic::error("E101", "this file has no header")
                .at(source, 0..0)
                .hint("begin with `const rule = #{ from: \"ad/user\", to: \"metaverse/person\", precedence: 100 };`"),
        ]);
    };
    let mut reader = Reader { source, position, problems: Vec::new(), entries: map };
    reader.refuse_unknown_keys();
    let header = reader.header();
    match header {
        Some(header) if reader.problems.is_empty() => Ok(header),
        Some(_) | None => Err(reader.problems),
    }
}

/// The key, value and position of each header entry. A value that is no literal is nothing.
type Entries = Vec<(String, Option<Dynamic>, Position)>;

fn header_map(ast: &AST) -> Option<(Entries, Position)> {
    let mut found = None;
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        let [ASTNode::Stmt(Stmt::Var(var, flags, position))] = path else { return true };
        let (ident, expr, _) = &**var;
        if ident.name != "rule" || !flags.contains(ASTFlags::CONSTANT) {
            return true;
        }
        if let Expr::Map(map, _) = expr {
            let literal = |value: &Expr| value.get_literal_value(None);
            let entries = map.0.iter().map(|(key, value)| (key.name.to_string(), literal(value), key.pos));
            found = Some((entries.collect(), *position));
        }
        false
    });
    found
}

struct Reader<'a> {
    source: &'a Arc<SourceText>,
    position: Position,
    entries: Entries,
    problems: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn header(&mut self) -> Option<Header> {
        let direction = self.direction();
        let precedence = self.precedence();
        let inbound = matches!(direction, Some(Direction::Inbound { .. }));
        let link = self.word("link", LinkType::None, |word| match (word, inbound) {
            ("join", _) => Some(LinkType::Join),
            ("project", true) => Some(LinkType::Project),
            ("sticky", true) => Some(LinkType::Sticky),
            ("provision", false) => Some(LinkType::Provision),
            _ => None,
        });
        let state = self.word("state", State::On, |word| match word {
            "on" => Some(State::On),
            "off" => Some(State::Off),
            "proposed" => Some(State::Proposed),
            _ => None,
        });
        let deprovision = self.word("deprovision", Deprovision::Delete, |word| match word {
            "delete" => Some(Deprovision::Delete),
            "disable" => Some(Deprovision::Disable),
            "disconnect" => Some(Deprovision::Disconnect),
            "nothing" => Some(Deprovision::Nothing),
            _ => None,
        });
        for key in ["deprovision", "delete_after", "members"] {
            if let Some((_, position)) = self.entry(key).filter(|_| inbound) {
                let message = format!("`{key}` is for rules to a target");
                self.problems.push(
                    at(Diagnostic::error("E133", message), self.source, position)
                        .hint("what happens to objects of a target, the rule that writes them says"),
                );
            }
        }
        let delete_after = self.delete_after(deprovision);
        let members = self.word("members", None, |word| match word {
            "own" => Some(Some(Members::Own)),
            "exact" => Some(Some(Members::Exact)),
            _ => None,
        });
        let mut copies = self.copies("copy", false);
        copies.extend(self.copies("trim", true));
        let merge = self.copies("merge", false).into_iter().map(|copy| copy.to).collect();
        let needs = self.copies("needs", false).into_iter().map(|copy| copy.to).collect();
        let line = u32::try_from(self.position.line().unwrap_or(1)).unwrap_or(1);
        Some(Header {
            direction: direction?,
            link,
            precedence: precedence?,
            copies,
            state,
            deprovision,
            delete_after,
            members,
            merge,
            needs,
            line,
        })
    }

    fn refuse_unknown_keys(&mut self) {
        for (key, position) in
            self.entries.iter().map(|(key, _, position)| (key.clone(), *position)).collect::<Vec<_>>()
        {
            if KEYS.contains(&key.as_str()) {
                continue;
            }
            let hint = crate::diagnostic::did_you_mean(&key, KEYS)
                .unwrap_or_else(|| format!("known keys: {}", KEYS.join(", ")));
            self.problem("E103", format!("the header has no key `{key}`"), position, &hint);
        }
    }

    fn problem(&mut self, code: &'static str, message: String, position: Position, hint: &str) {
        self.problems.push(at(Diagnostic::error(code, message), self.source, position).hint(hint));
    }

    fn entry(&mut self, key: &'static str) -> Option<(Dynamic, Position)> {
        let (_, value, position) = self.entries.iter().find(|(name, _, _)| name == key)?.clone();
        match value {
            Some(value) => Some((value, position)),
            None => {
                self.problem(
                    "E102",
                    format!("`{key}` must be a literal"),
                    position,
                    "the header is read without running it",
                );
                None
            }
        }
    }

    fn precedence(&mut self) -> Option<i64> {
        let Some((value, position)) = self.entry("precedence") else {
            let position = self.position;
            if self.problems.is_empty() {
                self.problem("E102", "the header needs a `precedence`".into(), position, "a number; lower wins");
            }
            return None;
        };
        let number = value.as_int().ok().filter(|number| (0..=1_000_000).contains(number));
        if number.is_none() {
            self.problem("E102", "`precedence` is a number from 0 to 1000000".into(), position, "lower wins");
        }
        number
    }

    fn delete_after(&mut self, deprovision: Deprovision) -> Option<u16> {
        let (value, position) = self.entry("delete_after")?;
        let days =
            value.as_int().ok().and_then(|days| u16::try_from(days).ok()).filter(|days| (1..=3_650).contains(days));
        if days.is_none() {
            let hint = "the account is switched off, and deleted so many days later";
            self.problem("E102", "`delete_after` is a number of days, from 1 to 3650".into(), position, hint);
        } else if deprovision != Deprovision::Disable {
            let hint = "`deprovision: \"disable\", delete_after: 30`";
            self.problem("E102", "`delete_after` needs `deprovision: \"disable\"`".into(), position, hint);
        }
        days
    }

    fn word<T>(&mut self, key: &'static str, default: T, read: impl Fn(&str) -> Option<T>) -> T {
        let Some((value, position)) = self.entry(key) else { return default };
        match value.read_lock::<rhai::ImmutableString>().and_then(|word| read(&word)) {
            Some(read) => read,
            None => {
                let hint = match key {
                    "link" => "inbound: \"project\", \"join\", \"sticky\"; outbound: \"provision\", \"join\"",
                    "state" => "\"on\", \"off\" or \"proposed\"",
                    "deprovision" => "\"delete\", \"disable\", \"disconnect\" or \"nothing\"",
                    _ => "\"own\" or \"exact\"",
                };
                self.problem("E102", format!("`{key}` cannot be `{value}`"), position, hint);
                default
            }
        }
    }

    fn texts(&mut self, key: &'static str) -> Option<(Vec<String>, Position)> {
        let Some((value, position)) = self.entry(key) else {
            let position = self.position;
            if !self.entries.iter().any(|(name, _, _)| name == key) {
                self.problem("E102", format!("the header needs `{key}`"), position, "for example \"ad/user\"");
            }
            return None;
        };
        if let Some(text) = value.read_lock::<rhai::ImmutableString>() {
            return Some((vec![text.to_string()], position));
        }
        let list: Option<Vec<String>> =
            value.into_array().ok().and_then(|list| list.into_iter().map(|item| item.into_string().ok()).collect());
        if list.is_none() {
            self.problem("E102", format!("`{key}` is a text or a list of texts"), position, "for example \"ad/user\"");
        }
        list.map(|list| (list, position))
    }

    fn direction(&mut self) -> Option<Direction> {
        let from = self.texts("from");
        let to = self.texts("to");
        let ((from, from_position), (to, to_position)) = (from?, to?);
        let (Some(from), Some(to)) = (self.pairs(&from, from_position), self.pairs(&to, to_position)) else {
            return None;
        };
        match (from.as_slice(), to.as_slice()) {
            ([source], [target]) if source.connector == "metaverse" && target.connector != "metaverse" => {
                Some(Direction::Outbound { from: source.object_type.clone(), to: target.clone() })
            }
            (sources, [target])
                if target.connector == "metaverse"
                    && !sources.is_empty()
                    && sources.iter().all(|source| source.connector != "metaverse") =>
            {
                let to = (target.object_type != "*").then(|| target.object_type.clone());
                Some(Direction::Inbound { from: sources.to_vec(), to })
            }
            _ => {
                let message =
                    "a rule goes from connectors to one metaverse type, or from one metaverse type to one connector";
                self.problem("E102", message.into(), from_position, "`from: \"ad/user\", to: \"metaverse/person\"`");
                None
            }
        }
    }

    fn pairs(&mut self, texts: &[String], position: Position) -> Option<Vec<ConnectorType>> {
        let mut pairs = Vec::new();
        for text in texts {
            match text.split_once('/') {
                Some((connector, object_type)) if !connector.is_empty() && !object_type.is_empty() => {
                    pairs.push(ConnectorType { connector: connector.into(), object_type: object_type.into() });
                }
                _ => {
                    self.problem(
                        "E102",
                        format!("`{text}` is not `connector/type`"),
                        position,
                        "for example \"ad/user\"",
                    );
                    return None;
                }
            }
        }
        Some(pairs)
    }

    fn copies(&mut self, key: &'static str, trim: bool) -> Vec<Copy> {
        let Some((value, position)) = self.entry(key) else { return Vec::new() };
        let mut copies = Vec::new();
        let mut wrong = !value.is_array();
        for item in value.into_array().unwrap_or_default() {
            if let Some(name) = item.read_lock::<rhai::ImmutableString>() {
                copies.push(Copy { to: name.as_str().into(), from: name.as_str().into(), trim });
                continue;
            }
            let Some(renames) = item.try_cast::<rhai::Map>() else {
                wrong = true;
                continue;
            };
            for (to, from) in renames {
                match from.into_string() {
                    Ok(from) => copies.push(Copy { to: to.as_str().into(), from: from.into(), trim }),
                    Err(_) => wrong = true,
                }
            }
        }
        if wrong {
            let hint = format!("`{key}: [\"title\", #{{ surname: \"sn\" }}]`");
            self.problem("E102", format!("`{key}` is a list of names; a map renames"), position, &hint);
        }
        copies
    }
}

/// Points a diagnostic at a position of the syntax tree.
pub(super) fn at(diagnostic: Diagnostic, source: &Arc<SourceText>, position: Position) -> Diagnostic {
    let range = word_at(&source.text, position.line().unwrap_or(1), position.position().unwrap_or(1));
    diagnostic.at(source, range)
}
