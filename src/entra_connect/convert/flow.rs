//! One flow: a direct one, a constant, or an expression; into the metaverse, or out to a directory.

use std::path::PathBuf;
use std::sync::Arc;

use super::code::Code;
use super::emit::{Emitter, Scene};
use super::tenant::{self, Written};
use super::value::Use;
use crate::diagnostic::{Diagnostic, SourceText};
use crate::entra_connect::export::{AttributeSchema, ConnectorKind, Direction, Flow, FlowSource, Merge, Rule};
use crate::entra_connect::expression::{self, Expr, Node, Problem};
use crate::entra_connect::spelling;
use crate::value::Kind;

/// How deep an expression of a rule may be nested, with room for what stands around it.
const DEEPEST: usize = 24;

/// A flow that was converted.
pub(super) struct Converted {
    /// The name there.
    pub(super) to: String,
    /// The name here.
    pub(super) here: String,
    pub(super) original: String,
    pub(super) piece: Piece,
    pub(super) merged: bool,
    pub(super) warnings: Vec<Diagnostic>,
    pub(super) by_hand: Option<Diagnostic>,
}

/// What it became.
pub(super) enum Piece {
    /// The header copies that attribute.
    Copied(String),
    /// The header trims that attribute.
    Trimmed(String),
    Code(Code),
    /// Why not.
    NotWritten(String),
}

/// What a flow is written into.
pub(super) struct Side<'a> {
    pub(super) rule: &'a Rule,
    pub(super) kind: &'a ConnectorKind,
    pub(super) scene: &'a Scene<'a>,
    /// What is known of the attributes of the other side.
    pub(super) there: &'a dyn Fn(&str) -> AttributeSchema,
    /// Why the value of an attribute of the metaverse will never come; nothing if it will, or if it never did.
    pub(super) orphan: &'a dyn Fn(&str) -> Option<String>,
}

/// Converts one flow.
pub(super) fn convert(side: &Side<'_>, flow: &Flow) -> Converted {
    let original = match &flow.from {
        FlowSource::Direct(name) => format!("[{name}]"),
        FlowSource::Constant(text) => format!("\"{text}\""),
        FlowSource::Expression(text) => text.clone(),
    };
    let mut converted = Converted {
        to: flow.to.clone(),
        here: flow.to.clone(),
        original,
        piece: Piece::NotWritten(String::new()),
        merged: flow.merge != Merge::Update,
        warnings: Vec::new(),
        by_hand: None,
    };
    if spelling::is_secret(&flow.to) {
        if !matches!(flow.from, FlowSource::Direct(_)) {
            "(a password, left out)".clone_into(&mut converted.original);
        }
        converted.piece =
            Piece::NotWritten("passwords do not stand in rules: `password(16)` makes one at creation".to_owned());
        return converted;
    }
    let target = target(side, &flow.to);
    if let Written::Not(why) = target {
        converted.piece = Piece::NotWritten(why.to_owned());
        return converted;
    }
    if let Written::As(name) | Written::List(name) | Written::Once(name) = target {
        name.clone_into(&mut converted.here);
    }
    if target == Written::UserName {
        "userPrincipalName".clone_into(&mut converted.here);
    }
    match made(side, flow, &mut converted) {
        Ok(piece) => converted.piece = shaped(side, flow, target, piece),
        Err(Missing::Never(why)) => converted.piece = Piece::NotWritten(why),
        Err(Missing::Hand(problem, code)) => {
            let what = format!("not converted: {}", problem.message);
            let diagnostic = diagnostic(side.rule, flow, &converted.original, problem, code);
            converted.by_hand = Some(diagnostic);
            converted.piece = Piece::Code(Code::call("error", [Code::text(&what)]));
        }
    }
    converted
}

/// An attribute is written once by a rule: what says so a second time is not written.
pub(super) fn once_each(flows: &mut [Converted]) {
    let mut seen: Vec<(String, String)> = Vec::new();
    for flow in flows {
        if matches!(flow.piece, Piece::NotWritten(_)) {
            continue;
        }
        let key = flow.here.to_ascii_lowercase();
        match seen.iter().find(|(known, _)| *known == key) {
            Some((_, first)) => {
                flow.piece = Piece::NotWritten(format!("`{first}` of the same rule writes `{}` already", flow.here));
                flow.by_hand = None;
            }
            None => seen.push((key, flow.to.clone())),
        }
    }
}

/// Why there is no code.
enum Missing {
    /// What it is made of does not come.
    Never(String),
    /// Somebody must write it: why, and the code of the finding.
    Hand(Problem, &'static str),
}

fn target(side: &Side<'_>, name: &str) -> Written {
    match (side.kind, side.rule.direction) {
        (ConnectorKind::Entra, Direction::Outbound) => tenant::written(&side.rule.directory_type, name),
        (ConnectorKind::ActiveDirectory | ConnectorKind::Other(_), Direction::Outbound)
            if name.eq_ignore_ascii_case("dn") =>
        {
            Written::Not("names of new objects are given by `dn` in the configuration of the connector")
        }
        _ => Written::Same,
    }
}

fn made(side: &Side<'_>, flow: &Flow, converted: &mut Converted) -> Result<Piece, Missing> {
    match &flow.from {
        FlowSource::Direct(name) => direct(side, name),
        FlowSource::Constant(text) => Ok(Piece::Code(constant(side, &flow.to, text))),
        FlowSource::Expression(text) => {
            let parsed = expression::parse(text).map_err(|problem| Missing::Hand(problem, "E602"))?;
            let mut problems = parsed.warnings;
            needed(side, &parsed.node)?;
            let mut emitter = Emitter::new(side.scene);
            let value = emitter.gathered(&parsed.node, Use::Answer);
            let value = value.map_err(|problem| Missing::Hand(problem, "E601"))?;
            if !matches!(target(side, &flow.to), Written::Same | Written::As(_)) && value.code.has_verdict() {
                let message = "`IgnoreThisFlow` or `AuthoritativeNull` for a value that is put into another form here";
                let problem = Problem { span: 0..text.len(), message: message.to_owned(), hint: None };
                return Err(Missing::Hand(problem, "E601"));
            }
            if value.code.depth() > DEEPEST {
                let message = "this is nested too deeply for a rule: make parts of it a `private fn`";
                let problem = Problem { span: 0..text.len(), message: message.to_owned(), hint: None };
                return Err(Missing::Hand(problem, "E601"));
            }
            problems.append(&mut emitter.warnings);
            for problem in problems {
                converted.warnings.push(diagnostic(side.rule, flow, &converted.original, problem, "W601"));
            }
            if (side.there)(&flow.to).kind == Kind::Reference && !hands_on(&parsed.node) {
                let message = "a reference is calculated here, and rules can only hand references on";
                let problem = Problem { span: 0..text.len(), message: message.to_owned(), hint: None };
                return Err(Missing::Hand(problem, "E601"));
            }
            Ok(piece(side, parsed.node, value.code))
        }
    }
}

/// What the header does is not written as code.
fn piece(side: &Side<'_>, node: Node, code: Code) -> Piece {
    let plain = |node: &Node| {
        let name = node.attribute()?;
        (side.scene.attribute)(name).ok()?.is_none().then(|| name.to_owned())
    };
    if let Some(name) = plain(&node) {
        return Piece::Copied(name);
    }
    match node.call("Trim") {
        Some([inner]) => match plain(inner).filter(|name| (side.scene.schema)(name).kind == Kind::Text) {
            Some(name) => Piece::Trimmed(name),
            None => Piece::Code(code),
        },
        _ => Piece::Code(code),
    }
}

/// Whether references leave an expression as they came in, or not at all.
fn hands_on(node: &Node) -> bool {
    match &node.expr {
        Expr::Attribute(_) | Expr::Word(_) => true,
        Expr::Call(name, arguments) => match (name.as_str(), arguments.as_slice()) {
            ("IIF", [_, yes, no]) => hands_on(yes) && hands_on(no),
            ("Error", _) => true,
            _ => false,
        },
        _ => false,
    }
}

fn direct(side: &Side<'_>, name: &str) -> Result<Piece, Missing> {
    if let Some(why) = (side.orphan)(name) {
        return Err(Missing::Never(why));
    }
    match (side.scene.attribute)(name) {
        Ok(None) => Ok(Piece::Copied(name.to_owned())),
        Ok(Some(code)) => Ok(Piece::Code(code)),
        Err(why) => Err(Missing::Never(why)),
    }
}

/// Every attribute that an expression reads must come.
fn needed(side: &Side<'_>, node: &Node) -> Result<(), Missing> {
    let mut missing = None;
    node.walk(&mut |node| {
        let name = match &node.expr {
            Expr::Attribute(name) => Some(name.as_str()),
            Expr::Call(name, arguments) if ["ImportedValue", "ValueCount"].contains(&name.as_str()) => {
                arguments.first().and_then(Node::text)
            }
            _ => None,
        };
        let Some(name) = name else { return };
        let why = (side.orphan)(name).or_else(|| (side.scene.attribute)(name).err());
        missing = missing.take().or(why);
    });
    missing.map_or(Ok(()), |why| Err(Missing::Never(why)))
}

/// A constant has the type of what it is written to.
fn constant(side: &Side<'_>, to: &str, text: &str) -> Code {
    let number = text.trim().parse::<i64>().ok();
    match ((side.there)(to).kind, text.to_ascii_lowercase().as_str(), number) {
        (Kind::Boolean, "true" | "false", _) => Code::plain(text.to_ascii_lowercase()),
        (Kind::Integer, _, Some(number)) => Code::plain(number.to_string()),
        _ => Code::text(text),
    }
}

/// The form that the target wants.
fn shaped(side: &Side<'_>, flow: &Flow, target: Written, piece: Piece) -> Piece {
    let once = flow.once && side.rule.direction == Direction::Outbound;
    let plain = matches!(target, Written::Same | Written::As(_)) && !once;
    if plain {
        return piece;
    }
    let code = match piece {
        Piece::Copied(name) => super::emit::attribute(side.scene.object, &name),
        Piece::Trimmed(name) => Code::call("trim", [super::emit::attribute(side.scene.object, &name)]),
        Piece::Code(code) => code,
        Piece::NotWritten(why) => return Piece::NotWritten(why),
    };
    let code = match target {
        Written::List(_) => Code::List(vec![code]),
        Written::UserName => {
            let nickname = super::emit::attribute(side.scene.object, "mailNickname");
            let tenant = [Code::plain("target.verified_domains"), Code::plain("target.initial_domain")];
            Code::call("verified_upn", [code, nickname].into_iter().chain(tenant))
        }
        Written::Same | Written::As(_) | Written::Once(_) | Written::Not(_) => code,
    };
    let once = once || matches!(target, Written::Once(_));
    Piece::Code(if once { Code::call("once", [code]) } else { code })
}

fn diagnostic(rule: &Rule, flow: &Flow, text: &str, problem: Problem, code: &'static str) -> Diagnostic {
    let path = PathBuf::from(format!("{} → {}", rule.name, flow.to));
    let source = Arc::new(SourceText { path, text: text.to_owned() });
    let diagnostic = match code {
        "E602" => Diagnostic::error("E602", problem.message),
        "W601" => Diagnostic::warning("W601", problem.message),
        _ => Diagnostic::error("E601", problem.message),
    };
    let diagnostic = diagnostic.at(&source, problem.span).note(format!("the flow stands at {}", flow.place));
    match problem.hint {
        Some(hint) => diagnostic.hint(hint),
        None => diagnostic,
    }
}
