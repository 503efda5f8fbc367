//! `IIF` and `Switch` as values: `??` where one value stands in for another, `switch` for a list of texts, else `if`.

use std::collections::BTreeSet;

use super::code::Code;
use super::emit::{Emitter, Outcome, by_hand};
use super::value::{Use, Value};
use crate::entra_connect::expression::{Expr, Node, Operator, Problem};
use crate::value::Kind;

/// Conditions with their values.
type Branches = Vec<(Code, Value)>;

/// So many texts of one attribute make a `switch`.
const CASES: usize = 3;

impl Emitter<'_> {
    /// The value of a choice.
    pub(super) fn choice(&mut self, node: &Node, used: Use) -> Outcome {
        if let Some(value) = self.stand_in(node, used)? {
            return Ok(value);
        }
        let (cases, other) = self.cases(node);
        let depth = self.present.len();
        let made = self.branches(&cases, other, used);
        self.present.truncate(depth);
        let (branches, other) = made?;
        let Some(other) = other else { return by_hand(node, "a choice without an end") };
        if branches.is_empty() {
            return Ok(other);
        }
        self.chosen(node, &cases, branches, other)
    }

    /// Conditions with their values, and what else; conditions whose answer is known fall out.
    fn cases<'n>(&mut self, node: &'n Node) -> (Vec<(&'n Node, &'n Node)>, Option<&'n Node>) {
        let mut cases = Vec::new();
        let mut rest = Some(node);
        while let Some(node) = rest {
            match &node.expr {
                Expr::Call(name, arguments) if name == "IIF" => {
                    let [condition, yes, no] = arguments.as_slice() else { return (cases, None) };
                    // A stand-in inside a chain stays what it is.
                    if !cases.is_empty() && self.stands_in(node).is_some() {
                        return (cases, Some(node));
                    }
                    cases.push((condition, yes));
                    rest = Some(no);
                }
                Expr::Call(name, arguments) if name == "Switch" => {
                    let (pairs, _) = arguments.as_chunks::<2>();
                    for [condition, value] in pairs {
                        cases.push((condition, value));
                    }
                    return (cases, None);
                }
                _ => return (cases, Some(node)),
            }
        }
        (cases, None)
    }

    /// The code of every branch that can be reached. What a condition says is known behind it.
    fn branches(
        &mut self,
        cases: &[(&Node, &Node)],
        other: Option<&Node>,
        used: Use,
    ) -> Outcome<(Branches, Option<Value>)> {
        let mut branches = Vec::new();
        for (condition, value) in cases {
            let asked = self.condition(condition)?;
            if asked == Code::plain("false") {
                continue;
            }
            let depth = self.present.len();
            self.assume(condition, true);
            let value = self.branch(value, used);
            self.present.truncate(depth);
            if asked == Code::plain("true") {
                return Ok((branches, Some(value?)));
            }
            branches.push((asked, value?));
            self.assume(condition, false);
        }
        let other = match other {
            Some(other) => self.branch(other, used)?,
            None => Value::nothing(),
        };
        Ok((branches, Some(other)))
    }

    /// A branch may fail the object, whatever it is used for: only the one that is chosen is evaluated.
    fn branch(&mut self, node: &Node, used: Use) -> Outcome {
        match node.call("Error") {
            Some([message]) => {
                let message = self.value(message, Use::Loose)?;
                let code = match (message.may_be_nothing, message.kind) {
                    (false, Kind::Text) => message.code,
                    _ => Code::call("to_text", [Code::chain("??", [message.code, Code::text("")])]),
                };
                Ok(Value::certain(Code::call("error", [code]), Kind::Text))
            }
            _ => self.value(node, used),
        }
    }

    fn chosen(&mut self, node: &Node, cases: &[(&Node, &Node)], branches: Vec<(Code, Value)>, other: Value) -> Outcome {
        if let ([(asked, yes)], no) = (branches.as_slice(), &other) {
            // The answer is that of the condition.
            match (yes.code == Code::plain("true"), no.code == Code::plain("false")) {
                (true, true) => return Ok(Value::certain(asked.clone(), Kind::Boolean)),
                _ if yes.code == Code::plain("false") && no.code == Code::plain("true") => {
                    return Ok(Value::certain(asked.clone().negated(), Kind::Boolean));
                }
                _ => {}
            }
        }
        let values: Vec<&Value> = branches.iter().map(|(_, value)| value).chain([&other]).collect();
        let real = values.iter().filter(|value| !value.code.is_nothing() && !is_verdict(&value.code));
        let kinds: BTreeSet<Kind> = real.clone().map(|value| value.kind).collect();
        let kind = kinds.first().copied().unwrap_or(Kind::Text);
        if kinds.len() > 1 && kinds.iter().any(|kind| *kind == Kind::Reference) {
            return by_hand(node, "references and other values are chosen from here");
        }
        let multi = real.clone().any(|value| value.multi);
        let may_be_nothing = values.iter().any(|value| value.may_be_nothing);
        let may_be_empty = values.iter().any(|value| value.may_be_empty);
        let code = match self.switch(cases, &branches, &other) {
            Some(code) => code,
            None => {
                let cases: Vec<(Code, Code)> =
                    branches.into_iter().map(|(condition, value)| (condition, value.code)).collect();
                chain_of_cases(cases, other.code)
            }
        };
        Ok(Value { code, kind, multi, may_be_nothing, may_be_empty, needs: BTreeSet::new() })
    }

    /// A chain of questions for one text. `switch` compares to the letter, as `=` does there.
    fn switch(&mut self, cases: &[(&Node, &Node)], branches: &[(Code, Value)], other: &Value) -> Option<Code> {
        if branches.len() < CASES || branches.len() != cases.len() {
            return None;
        }
        let mut subject: Option<&Node> = None;
        let mut patterns = Vec::new();
        for (condition, _) in cases {
            let Expr::Binary(Operator::Equal, left, right) = &condition.expr else { return None };
            let (asked, text) = match (left.text(), right.text()) {
                (None, Some(text)) => (left, text),
                (Some(text), None) => (right, text),
                _ => return None,
            };
            if text.is_empty() || subject.is_some_and(|subject| !subject.same(asked)) {
                return None;
            }
            let repeated = patterns.contains(&Code::text(text));
            subject = Some(asked);
            if repeated {
                return None;
            }
            patterns.push(Code::text(text));
        }
        let subject = self.value(subject?, Use::Loose).ok().filter(|value| value.kind == Kind::Text && !value.multi)?;
        let cases = patterns.into_iter().zip(branches.iter().map(|(_, value)| value.code.clone())).collect();
        Some(Code::Switch(Box::new(subject.code), cases, Box::new(other.code.clone())))
    }

    /// `IIF(IsPresent(x), x, y)` in its spellings: what is tested, what is given where it is there, and else.
    fn stands_in<'n>(&self, node: &'n Node) -> Option<(&'n Node, &'n Node, &'n Node)> {
        let [condition, yes, no] = node.call("IIF")? else { return None };
        let mut condition = condition;
        let mut turned = false;
        while let Expr::Binary(Operator::Equal, left, right) = &condition.expr {
            let (inner, truth) = match (left.truth(), right.truth()) {
                (None, Some(truth)) => (left, truth),
                (Some(truth), None) => (right, truth),
                _ => return None,
            };
            turned ^= !truth;
            condition = inner;
        }
        let (tested, present) = match &condition.expr {
            Expr::Call(name, arguments) => match (name.as_str(), arguments.as_slice()) {
                ("IsPresent", [tested]) => (tested, true),
                ("IsNullOrEmpty" | "IsNull", [tested]) => (tested, false),
                _ => return None,
            },
            _ => return None,
        };
        tested.attribute()?;
        Some(if present ^ turned { (tested, yes, no) } else { (tested, no, yes) })
    }

    fn stand_in(&mut self, node: &Node, used: Use) -> Outcome<Option<Value>> {
        let Some((tested, there, missing)) = self.stands_in(node) else { return Ok(None) };
        let Some(name) = tested.attribute().map(str::to_ascii_lowercase) else { return Ok(None) };
        if self.present.contains(&name) {
            return Ok(None);
        }
        let depth = self.present.len();
        self.present.push(name.clone());
        let value = self.trial(there, used);
        self.present.truncate(depth);
        let Ok(value) = value else { return Ok(None) };
        let itself = there.same(tested);
        // Without the attribute it is nothing anyway: the question is not needed.
        if !(itself || (used.is_loose() && value.needs.contains(&name))) {
            return Ok(None);
        }
        let mut value = self.value_if_present(there, &name, used)?;
        value.may_be_nothing = true;
        if missing.is_null() {
            return Ok(Some(value));
        }
        // `??` asks whether the value is nothing, which it may be for other reasons.
        if value.kind == Kind::Reference || !(itself || value.needs.len() == 1 && never_empties(there)) {
            return Ok(None);
        }
        let other = self.branch(missing, used)?;
        if other.kind == Kind::Reference {
            return Ok(None);
        }
        let (kind, multi) = (value.kind, value.multi || other.multi);
        let (may_be_nothing, may_be_empty) = (other.may_be_nothing, value.may_be_empty || other.may_be_empty);
        let code = Code::chain("??", [value.code, other.code]);
        Ok(Some(Value { code, kind, multi, may_be_nothing, may_be_empty, needs: BTreeSet::new() }))
    }

    /// What a node would come to, without its warnings.
    fn trial(&mut self, node: &Node, used: Use) -> Outcome {
        let kept = self.warnings.len();
        let value = self.branch(node, used);
        self.warnings.truncate(kept);
        value
    }

    fn value_if_present(&mut self, node: &Node, name: &str, used: Use) -> Result<Value, Problem> {
        self.present.push(name.to_owned());
        let value = self.branch(node, used);
        self.present.pop();
        value
    }
}

/// Whether a value is nothing only where its attribute is: nothing in it can come to empty text.
fn never_empties(node: &Node) -> bool {
    match &node.expr {
        Expr::Attribute(_) => true,
        Expr::Call(name, arguments) => {
            ["LCase", "UCase", "CStr", "ConvertToBase64", "StringFromSid", "StringFromGuid"].contains(&name.as_str())
                && arguments.iter().all(never_empties)
        }
        _ => false,
    }
}

/// `keep()`, `absent()`, `error(…)`: no values.
fn is_verdict(code: &Code) -> bool {
    matches!(code, Code::Call(name, _) if ["keep", "absent", "error"].contains(&name.as_str()))
}

/// `if … { … } else { … }`; what else is an `if` of its own goes on with `else if`.
fn chain_of_cases(mut cases: Vec<(Code, Code)>, other: Code) -> Code {
    match other {
        Code::If(more, other) => {
            cases.extend(more);
            Code::If(cases, other)
        }
        other if other.is_nothing() => Code::If(cases, None),
        other => Code::If(cases, Some(Box::new(other))),
    }
}
