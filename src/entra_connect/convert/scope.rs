//! Scopes and join criteria. The law of nothing is that of Entra Connect: `NOTEQUAL` and its like hold for what is not
//! there, and a boolean that is not there counts as false.

use super::code::Code;
use super::emit::{Emitter, Scene, attribute, is_word, quoted};
use crate::entra_connect::export::{AttributeSchema, Clause};
use crate::entra_connect::expression::{Expr, Node};
use crate::value::Kind;

/// Attributes that every object of Active Directory has whose type knows them.
const ALWAYS_THERE: [&str; 4] = ["useraccountcontrol", "grouptype", "samaccounttype", "objectsid"];

/// The condition of a scope; nothing where everybody is in it. What all groups ask for is asked once.
pub(super) fn scope(scene: &Scene<'_>, groups: &[Vec<Clause>]) -> Result<Option<Code>, String> {
    let [first, ..] = groups else { return Ok(None) };
    let common: Vec<&Clause> =
        first.iter().filter(|clause| groups.iter().all(|group| group.contains(clause))).collect();
    let mut asked: Vec<Code> = Vec::new();
    for clause in &common {
        asked.push(condition(scene, clause)?);
    }
    let mut others = Vec::new();
    for group in groups {
        let rest: Vec<&Clause> = group.iter().filter(|clause| !common.contains(clause)).collect();
        let mut clauses = Vec::new();
        for clause in rest {
            clauses.push(condition(scene, clause)?);
        }
        if clauses.is_empty() {
            others.clear();
            break;
        }
        others.push(Code::chain("&&", clauses));
    }
    if !others.is_empty() {
        asked.push(Code::chain("||", others));
    }
    asked.retain(|code| *code != Code::plain("true"));
    Ok(if asked.is_empty() { None } else { Some(Code::chain("&&", asked)) })
}

/// The code of an attribute.
pub(super) fn source(scene: &Scene<'_>, name: &str) -> Result<Code, String> {
    Ok((scene.attribute)(name)?.unwrap_or_else(|| attribute(scene.object, name)))
}

fn condition(scene: &Scene<'_>, clause: &Clause) -> Result<Code, String> {
    let schema = (scene.schema)(&clause.attribute);
    // What a directory does not show counts as not there.
    let Ok(subject) = source(scene, &clause.attribute) else {
        return Ok(Code::plain(holds_of_nothing(clause).to_string()));
    };
    let value = operand(scene, &clause.value)?;
    let operator: String = clause.operator.to_ascii_uppercase().chars().filter(char::is_ascii_alphabetic).collect();
    let (operator, negated) = match operator.as_str() {
        "ISNOTBITSET" => ("ISBITSET", true),
        "ISBITNOTSET" => ("ISBITSET", true),
        "ISNOTNULL" => ("ISNULL", true),
        "ISNOTIN" => ("ISIN", true),
        "ISNOTMEMBEROF" => ("ISMEMBEROF", true),
        operator => match operator.strip_prefix("NOT") {
            // A misspelling of the manual.
            Some("STARTWITH") => ("STARTSWITH", true),
            Some(rest) => (rest, true),
            None => (operator, false),
        },
    };
    let code = match operator {
        "ISNULL" => present(&subject, schema).negated(),
        "EQUAL" => return Ok(equal(subject, schema, clause, value, negated)),
        "ISIN" if schema.multi => Code::call("contains", [subject, value]),
        "ISIN" => return Ok(equal(subject, schema, clause, value, negated)),
        "CONTAINS" | "STARTSWITH" | "ENDSWITH" => part(operator, subject, schema, clause, value),
        "ISBITSET" => bit(subject, clause)?,
        "LESSTHAN" | "LESSTHANOREQUAL" | "GREATERTHAN" | "GREATERTHANOREQUAL" => {
            order(operator, subject, schema, clause)
        }
        "ISMEMBEROF" => Code::call("is_member_of", [Code::plain(scene.object), value]),
        _ => return Err(format!("the scope asks `{}`, which is no operator of Entra Connect", clause.operator)),
    };
    Ok(if negated { code.negated() } else { code })
}

/// Whether a clause holds where there is no value.
pub(super) fn holds_of_nothing(clause: &Clause) -> bool {
    let operator: String = clause.operator.to_ascii_uppercase().chars().filter(char::is_ascii_alphabetic).collect();
    match operator.as_str() {
        "ISNULL" => true,
        "ISNOTNULL" => false,
        "EQUAL" => clause.value.trim().eq_ignore_ascii_case("false"),
        operator => operator.contains("NOT"),
    }
}

/// A value, or a parameter.
fn operand(scene: &Scene<'_>, value: &str) -> Result<Code, String> {
    match value.trim().strip_prefix('%').and_then(|rest| rest.strip_suffix('%')) {
        Some(name) if !name.is_empty() => (scene.parameter)(name),
        _ => Ok(Code::text(value)),
    }
}

fn present(subject: &Code, schema: AttributeSchema) -> Code {
    match schema.kind {
        Kind::Reference => Code::compare("!=", subject.clone(), Code::nothing()),
        Kind::Text | Kind::Integer | Kind::Boolean | Kind::Bytes | Kind::Time | Kind::Password => {
            Code::call("is_present", [subject.clone()])
        }
    }
}

fn equal(subject: Code, schema: AttributeSchema, clause: &Clause, value: Code, negated: bool) -> Code {
    let operator = if negated { "!=" } else { "==" };
    let truth = match clause.value.trim().to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    };
    let number = clause.value.trim().parse::<i64>().ok();
    match (schema.kind, truth, number) {
        // What is not there counts as false.
        (Kind::Boolean, Some(false), _) if !negated => Code::compare("!=", subject, Code::plain("true")),
        (Kind::Boolean, Some(truth), _) => Code::compare(operator, subject, Code::plain(truth.to_string())),
        (Kind::Integer, _, Some(number)) => Code::compare(operator, subject, Code::plain(number.to_string())),
        _ if schema.multi => {
            let code = Code::call("contains", [subject, value]);
            if negated { code.negated() } else { code }
        }
        // Nothing is empty text.
        _ if clause.value.is_empty() => Code::plain(negated.to_string()),
        _ => Code::compare(operator, subject, value),
    }
}

fn part(operator: &str, subject: Code, schema: AttributeSchema, clause: &Clause, value: Code) -> Code {
    let subject = match schema.kind {
        Kind::Boolean => Code::call("entra::CStr", [subject]),
        Kind::Integer => Code::call("to_text", [subject]),
        Kind::Text | Kind::Bytes | Kind::Time | Kind::Password | Kind::Reference => subject,
    };
    if clause.value.is_empty() {
        return present(&subject, schema);
    }
    match operator {
        "STARTSWITH" => Code::call("starts_with", [subject, value]),
        "ENDSWITH" => Code::call("ends_with", [subject, value]),
        _ if schema.multi => {
            let test = Code::call("contains", [Code::plain("value"), value]);
            Code::call("any", [subject, Code::Closure("value".to_owned(), Box::new(test))])
        }
        _ => Code::call("contains", [subject, value]),
    }
}

fn bit(subject: Code, clause: &Clause) -> Result<Code, String> {
    let text = clause.value.trim();
    let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    let number = number.ok_or_else(|| format!("the scope asks for the bit `{text}`, which is no number"))?;
    // Flags that cannot be read are an error: an account must not count as enabled because of that.
    let always = ALWAYS_THERE.contains(&clause.attribute.to_ascii_lowercase().as_str());
    let function = if always { "has_flag" } else { "entra::IsBitSet" };
    Ok(Code::call(function, [subject, Code::plain(number.to_string())]))
}

/// Numbers as numbers; texts in the order of directories.
fn order(operator: &str, subject: Code, schema: AttributeSchema, clause: &Clause) -> Code {
    let sign = match operator {
        "LESSTHAN" => "<",
        "LESSTHANOREQUAL" => "<=",
        "GREATERTHAN" => ">",
        _ => ">=",
    };
    let there = Code::call("is_present", [subject.clone()]);
    let number = clause.value.trim().parse::<i64>().ok();
    let compared = match (schema.kind, number) {
        (Kind::Integer, Some(number)) => Code::compare(sign, subject, Code::plain(number.to_string())),
        (_, Some(number)) => {
            let numeric = Code::call("entra::IsNumeric", [subject.clone()]);
            let as_number =
                Code::compare(sign, Code::call("to_integer", [subject.clone()]), Code::plain(number.to_string()));
            let as_text = Code::compare(sign, subject, Code::text(&clause.value));
            Code::If(vec![(numeric, as_number)], Some(Box::new(as_text)))
        }
        (_, None) => Code::compare(sign, subject, Code::text(&clause.value)),
    };
    Code::chain("&&", [there, compared])
}

/// One key of a join: what the other side calls it, and the value of this side.
pub(super) struct Key {
    pub(super) theirs: String,
    pub(super) ours: Code,
}

/// The body of `join`: groups of keys, in order.
pub(super) fn join_body(groups: &[Vec<Key>]) -> String {
    let group = |keys: &Vec<Key>| {
        let keys = keys.iter().map(|key| {
            let name = if is_word(&key.theirs) { key.theirs.clone() } else { quoted(&key.theirs) };
            format!("{name}: {}", key.ours.layout(0, 0))
        });
        format!("#{{ {} }}", keys.collect::<Vec<_>>().join(", "))
    };
    match groups {
        [one] => format!("    [ {} ]\n", group(one)),
        groups => {
            let lines: String = groups.iter().map(|keys| format!("        {},\n", group(keys))).collect();
            format!("    [\n{lines}    ]\n")
        }
    }
}

/// What a side of a join gives, which heeds letter case if asked.
pub(super) fn key(scene: &Scene<'_>, name: &str, case_sensitive: bool) -> Result<Code, String> {
    let node = Node { span: 0..0, expr: Expr::Attribute(name.to_owned()) };
    let mut emitter = Emitter::new(scene);
    let value = emitter.whole_attribute(&node, name).map_err(|problem| problem.message)?;
    let text = matches!(value.kind, Kind::Text);
    Ok(if case_sensitive && text { Code::call("exact", [value.code]) } else { value.code })
}
