//! Conditions: what is true or false, never nothing. A comparison with nothing does not hold.

use super::code::Code;
use super::emit::{Emitter, Outcome, by_hand};
use super::value::{Use, Value};
use crate::entra_connect::expression::{Expr, Node, Operator};
use crate::value::Kind;

/// Whole numbers of 32 bits: a mask of all the bits from the 31st on asks for their sign.
const SIGNED_32: [&str; 4] = ["grouptype", "useraccountcontrol", "samaccounttype", "systemflags"];

impl Emitter<'_> {
    /// An expression as a condition.
    pub(super) fn condition(&mut self, node: &Node) -> Outcome<Code> {
        if let Some(truth) = self.known(node) {
            return Ok(Code::plain(truth.to_string()));
        }
        match &node.expr {
            Expr::Binary(Operator::Or, left, right) => self.either("||", left, right),
            Expr::Binary(Operator::And, left, right) => self.either("&&", left, right),
            Expr::Binary(Operator::Equal, left, right) => self.equal(left, right),
            Expr::Binary(Operator::NotEqual, left, right) => self.not_equal(left, right),
            Expr::Binary(operator, left, right) if sign(*operator).is_some() => self.order(*operator, left, right),
            Expr::Call(name, arguments) => match (name.as_str(), arguments.as_slice()) {
                ("IsPresent", [tested]) => self.presence(tested, true),
                ("IsNullOrEmpty", [tested]) => self.presence(tested, false),
                ("IsNull", [tested]) => self.nothingness(node, tested),
                ("CBool", [tested]) => self.truth(tested),
                ("IIF", [condition, yes, no]) => self.conditional(node, condition, yes, no),
                ("IsString", [tested]) => self.is_string(node, tested),
                ("IsBitSet", [tested, mask]) => self.is_bit_set(node, tested, mask),
                _ => self.truth_of_value(node),
            },
            _ => self.truth_of_value(node),
        }
    }

    /// What a condition comes to whatever the object: the wizard writes such, and kinds are known.
    fn known(&mut self, node: &Node) -> Option<bool> {
        if let Some(truth) = node.truth() {
            return Some(truth);
        }
        match &node.expr {
            Expr::Word(_) if node.is_null() => Some(false),
            Expr::Binary(Operator::Equal, left, right) => match (&left.expr, &right.expr) {
                (Expr::Text(left), Expr::Text(right)) => Some(left == right),
                (Expr::Integer(left), Expr::Integer(right)) => Some(left == right),
                _ if left.is_null() || right.is_null() => Some(false),
                _ => {
                    let (side, truth) = truth_compared(left, right)?;
                    self.known(side).map(|known| known == truth)
                }
            },
            Expr::Binary(Operator::Or, left, right) => match (self.known(left), self.known(right)) {
                (Some(true), _) | (Some(false), Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                (None, _) | (Some(false), None) => None,
            },
            Expr::Binary(Operator::And, left, right) => match (self.known(left), self.known(right)) {
                (Some(false), _) | (Some(true), Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                (None, _) | (Some(true), None) => None,
            },
            Expr::Call(name, arguments) => {
                let tested = arguments.first()?;
                let attribute = tested.attribute().filter(|_| arguments.len() == 1)?;
                let there = self.present.contains(&attribute.to_ascii_lowercase());
                match name.as_str() {
                    "IsPresent" if there => Some(true),
                    "IsNullOrEmpty" | "IsNull" if there => Some(false),
                    "IsEmpty" => Some(false),
                    "IsString" if (self.scene.schema)(attribute).kind == Kind::Bytes => Some(false),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn either(&mut self, operator: &'static str, left: &Node, right: &Node) -> Outcome<Code> {
        let unit = operator == "&&";
        match (self.known(left), self.known(right)) {
            (Some(known), _) if known == unit => return self.condition(right),
            (_, Some(known)) if known == unit => return self.condition(left),
            _ => {}
        }
        let first = self.condition(left)?;
        // What stands to the right is asked only if the left side allows it.
        let depth = self.present.len();
        self.assume(left, unit);
        let second = self.condition(right);
        self.present.truncate(depth);
        Ok(Code::chain(operator, [first, second?]))
    }

    /// Remembers what is there when a condition holds, or when it does not.
    pub(super) fn assume(&mut self, node: &Node, holds: bool) {
        let mut there = |name: &str| self.present.push(name.to_ascii_lowercase());
        match &node.expr {
            Expr::Call(name, arguments) => match (name.as_str(), arguments.as_slice()) {
                ("IsPresent", [tested]) if holds => tested.attribute().into_iter().for_each(&mut there),
                ("IsNullOrEmpty" | "IsNull", [tested]) if !holds => {
                    tested.attribute().into_iter().for_each(&mut there);
                }
                ("CBool", [tested]) => self.assume(tested, holds),
                _ => {}
            },
            Expr::Binary(Operator::And, left, right) if holds => {
                self.assume(left, true);
                self.assume(right, true);
            }
            Expr::Binary(Operator::Or, left, right) if !holds => {
                self.assume(left, false);
                self.assume(right, false);
            }
            Expr::Binary(Operator::Equal, left, right) => {
                if let Some((side, truth)) = truth_compared(left, right) {
                    // `IsPresent(…) = False`; of an attribute it says that it is there.
                    if is_condition(side) {
                        self.assume(side, holds == truth);
                    }
                } else if holds {
                    left.attribute().into_iter().chain(right.attribute()).for_each(&mut there);
                }
            }
            Expr::Binary(
                Operator::Greater | Operator::GreaterOrEqual | Operator::Less | Operator::LessOrEqual,
                left,
                right,
            ) if holds => left.attribute().into_iter().chain(right.attribute()).for_each(&mut there),
            _ => {}
        }
    }

    /// Whether there is a value that is not empty.
    fn presence(&mut self, tested: &Node, wanted: bool) -> Outcome<Code> {
        let value = match tested.attribute() {
            Some(name) => self.whole_attribute(tested, name)?,
            None => self.gathered(tested, Use::Loose)?,
        };
        let is = match value.kind {
            Kind::Reference => {
                let operator = if wanted { "!=" } else { "==" };
                return Ok(Code::compare(operator, value.code, Code::nothing()));
            }
            _ if !value.may_be_nothing && !value.may_be_empty => Code::plain("true"),
            _ => Code::call("is_present", [value.code]),
        };
        Ok(if wanted { is } else { is.negated() })
    }

    fn nothingness(&mut self, node: &Node, tested: &Node) -> Outcome<Code> {
        if tested.attribute().is_some() {
            return self.presence(tested, false);
        }
        let value = self.gathered(tested, Use::Strict)?;
        if value.multi || value.kind == Kind::Reference {
            return by_hand(node, "whether a list that is calculated is nothing");
        }
        Ok(if value.may_be_nothing { Code::compare("==", value.code, Code::nothing()) } else { Code::plain("false") })
    }

    /// `CBool`: false for nothing, true for numbers other than 0.
    fn truth(&mut self, tested: &Node) -> Outcome<Code> {
        if is_condition(tested) {
            return self.condition(tested);
        }
        if let Some([tested, mask]) = tested.call("BitAnd") {
            return self.some_bit(tested, mask);
        }
        let value = self.value(tested, Use::Strict)?;
        Ok(match value.kind {
            Kind::Boolean if value.may_be_nothing => Code::compare("==", value.code, Code::plain("true")),
            Kind::Boolean => value.code,
            _ => Code::call("entra::CBool", [value.code]),
        })
    }

    /// Whether a number has one of the bits of a mask; the number must be there.
    fn some_bit(&mut self, tested: &Node, mask: &Node) -> Outcome<Code> {
        let signed = tested.attribute().is_some_and(|name| SIGNED_32.contains(&name.to_ascii_lowercase().as_str()));
        let single =
            mask.integer().is_some_and(|mask| mask.count_ones() == 1 || (signed && mask == i64::from(i32::MIN)));
        let number = self.value(tested, Use::Strict)?;
        let mask = match mask.integer() {
            Some(mask) => Value::certain(Code::plain(mask_text(mask)), Kind::Integer),
            None => self.value(mask, Use::Strict)?,
        };
        if single && number.kind == Kind::Integer {
            return Ok(Code::call("has_flag", [number.code, mask.code]));
        }
        let bits = Code::call("entra::BitAnd", [number.code, mask.code]);
        Ok(Code::compare("!=", bits, Code::plain("0")))
    }

    /// `BitAnd(…) = 0` and `<> 0`.
    fn bits_compared(&mut self, left: &Node, right: &Node, equal: bool) -> Option<Outcome<Code>> {
        let [tested, mask] = left.call("BitAnd")? else { return None };
        (right.integer() == Some(0)).then(|| {
            let some = self.some_bit(tested, mask)?;
            Ok(if equal { some.negated() } else { some })
        })
    }

    /// A choice between conditions.
    fn conditional(&mut self, node: &Node, condition: &Node, yes: &Node, no: &Node) -> Outcome<Code> {
        if !(is_condition(yes) && is_condition(no)) {
            return self.truth_of_value(node);
        }
        let depth = self.present.len();
        let asked = self.condition(condition)?;
        self.assume(condition, true);
        let first = (self.known(yes), self.condition(yes));
        self.present.truncate(depth);
        self.assume(condition, false);
        let second = (self.known(no), self.condition(no));
        self.present.truncate(depth);
        Ok(match (first, second) {
            ((Some(true), _), (Some(false), _)) => asked,
            ((Some(false), _), (Some(true), _)) => asked.negated(),
            ((_, yes), (Some(false), _)) => Code::chain("&&", [asked, yes?]),
            ((Some(true), _), (_, no)) => Code::chain("||", [asked, no?]),
            ((_, yes), (_, no)) => Code::If(vec![(asked, yes?)], Some(Box::new(no?))),
        })
    }

    fn is_string(&mut self, node: &Node, tested: &Node) -> Outcome<Code> {
        match tested.attribute() {
            Some(name) if matches!((self.scene.schema)(name).kind, Kind::Text | Kind::Integer | Kind::Boolean) => {
                self.presence(tested, true)
            }
            _ => self.truth_of_value(node),
        }
    }

    /// A bit of what every object of the type has; of others, nothing does not have it.
    fn is_bit_set(&mut self, node: &Node, tested: &Node, mask: &Node) -> Outcome<Code> {
        let there = self.value(tested, Use::Strict)?;
        if there.may_be_nothing || there.kind != Kind::Integer {
            return self.truth_of_value(node);
        }
        let mask = self.value(mask, Use::Strict)?;
        Ok(Code::call("has_flag", [there.code, mask.code]))
    }

    /// A value that is true or false, or nothing.
    pub(super) fn truth_of_value(&mut self, node: &Node) -> Outcome<Code> {
        let value = self.value(node, Use::Strict)?;
        if value.kind == Kind::Boolean && !value.may_be_nothing {
            return Ok(value.code);
        }
        if value.kind == Kind::Boolean || node.attribute().is_some() {
            return Ok(Code::compare("==", value.code, Code::plain("true")));
        }
        by_hand(node, "this is neither true nor false, and stands where a condition is needed")
    }

    fn equal(&mut self, left: &Node, right: &Node) -> Outcome<Code> {
        if let Some(code) = self.bits_compared(left, right, true).or_else(|| self.bits_compared(right, left, true)) {
            return code;
        }
        if let Some((side, truth)) = truth_compared(left, right) {
            if !truth && may_be_null(side) {
                return by_hand(
                    side,
                    "this may be nothing, which is neither true nor false, and is compared with `False`",
                );
            }
            if is_condition(side) {
                let code = self.condition(side)?;
                return Ok(if truth { code } else { code.negated() });
            }
            let value = self.value(side, Use::Strict)?;
            return Ok(Code::compare("==", value.code, Code::plain(truth.to_string())));
        }
        if let Some(code) = self.beginning(left, right)? {
            return Ok(code);
        }
        let (first, second) = (left, right);
        let (left, right) = (self.compared(left, right)?, self.compared(right, left)?);
        evaluated_first(first, second, left.may_be_nothing && right.may_be_nothing)?;
        let both_may_be_nothing = left.may_be_nothing && right.may_be_nothing;
        let guard = both_may_be_nothing.then(|| Code::compare("!=", left.code.clone(), Code::nothing()));
        let code = same("==", left, right);
        Ok(Code::chain("&&", guard.into_iter().chain([code])))
    }

    fn not_equal(&mut self, left: &Node, right: &Node) -> Outcome<Code> {
        if let Some(code) = self.bits_compared(left, right, false).or_else(|| self.bits_compared(right, left, false)) {
            return code;
        }
        if left.is_null() || right.is_null() {
            return Ok(Code::plain("false"));
        }
        if let Some((side, truth)) = truth_compared(left, right).filter(|(side, _)| is_condition(side)) {
            if truth && may_be_null(side) {
                return by_hand(
                    side,
                    "this may be nothing, which is neither true nor false, and is compared with `True`",
                );
            }
            let code = self.condition(side)?;
            return Ok(if truth { code.negated() } else { code });
        }
        let (first, second) = (left, right);
        let (left, right) = (self.compared(left, right)?, self.compared(right, left)?);
        evaluated_first(first, second, left.may_be_nothing || right.may_be_nothing)?;
        let sides = [&left, &right].into_iter().filter(|side| side.may_be_nothing);
        let guards: Vec<Code> = sides.map(|side| Code::compare("!=", side.code.clone(), Code::nothing())).collect();
        Ok(Code::chain("&&", guards.into_iter().chain([same("!=", left, right)])))
    }

    /// One side of a comparison. A text that says a number is one, beside a number.
    fn compared(&mut self, side: &Node, other: &Node) -> Outcome {
        let value = self.value(side, Use::Strict)?;
        if value.multi {
            return by_hand(side, "a list is compared here");
        }
        let kind = self.kind_of(other);
        match (side.text(), side.integer(), kind) {
            (Some(text), _, Some(Kind::Integer)) if text.trim().parse::<i64>().is_ok() => {
                Ok(Value::certain(Code::plain(text.trim()), Kind::Integer))
            }
            (Some(text), _, Some(Kind::Boolean)) if text.parse::<bool>().is_ok_and(|_| true) || is_truth(text) => {
                Ok(Value::certain(Code::plain(text.to_ascii_lowercase()), Kind::Boolean))
            }
            (_, Some(number), Some(Kind::Text)) => Ok(Value::certain(Code::text(&number.to_string()), Kind::Text)),
            _ => Ok(value),
        }
    }

    fn kind_of(&mut self, node: &Node) -> Option<Kind> {
        node.attribute().map(|name| (self.scene.schema)(name).kind)
    }

    /// `Left([x], 4) = "AAD_"`: the text begins so. The same for `Right`.
    fn beginning(&mut self, left: &Node, right: &Node) -> Outcome<Option<Code>> {
        let (call, text) = match (left.text(), right.text()) {
            (None, Some(text)) => (left, text),
            (Some(text), None) => (right, text),
            _ => return Ok(None),
        };
        for (name, word) in [("Left", "starts_with"), ("Right", "ends_with")] {
            let Some([subject, count]) = call.call(name) else { continue };
            let fits = count.integer() == i64::try_from(text.chars().count()).ok();
            let subject = self.value(subject, Use::Loose)?;
            if !fits || text.is_empty() || subject.kind != Kind::Text || subject.multi {
                return Ok(None);
            }
            return Ok(Some(Code::call(word, [subject.code, to_the_letter(text)])));
        }
        Ok(None)
    }

    fn order(&mut self, operator: Operator, left: &Node, right: &Node) -> Outcome<Code> {
        if let Some(code) = self.position(operator, left, right)? {
            return Ok(code);
        }
        let signed = sign(operator).unwrap_or("==");
        let (first, second) = (self.compared(left, right)?, self.compared(right, left)?);
        evaluated_first(left, right, first.may_be_nothing || second.may_be_nothing)?;
        if first.kind != Kind::Integer || second.kind != Kind::Integer {
            self.warn(left, "texts are put in order here as directories do, without regard to letter case");
        }
        let sides = [&first, &second].into_iter().filter(|side| side.may_be_nothing);
        let guards: Vec<Code> = sides.map(|side| Code::call("is_present", [side.code.clone()])).collect();
        Ok(Code::chain("&&", guards.into_iter().chain([Code::compare(signed, first.code, second.code)])))
    }

    /// `InStr([x], "@") > 0`: it is somewhere in the text. `Contains([list], "SMTP:") > 0`: in one of the texts.
    fn position(&mut self, operator: Operator, left: &Node, right: &Node) -> Outcome<Option<Code>> {
        let somewhere = match (operator, right.integer()) {
            (Operator::Greater, Some(0)) | (Operator::GreaterOrEqual, Some(1)) => true,
            (Operator::Less, Some(1)) | (Operator::LessOrEqual, Some(0)) => false,
            _ => return Ok(None),
        };
        let is = match (left.call("InStr"), left.call("Contains")) {
            (Some([subject, part]), _) => {
                let subject = self.value(subject, Use::Loose)?;
                let Some(part) = part.text().filter(|part| !part.is_empty()) else { return Ok(None) };
                if subject.kind != Kind::Text || subject.multi {
                    return Ok(None);
                }
                Code::call("contains", [subject.code, to_the_letter(part)])
            }
            (_, Some([list, part])) => {
                let Some(part) = part.text().filter(|part| !part.is_empty()) else { return Ok(None) };
                let list = self.gathered(list, Use::Loose)?;
                if list.kind != Kind::Text {
                    return Ok(None);
                }
                let test = Code::call("contains", [Code::plain("value"), to_the_letter(part)]);
                Code::call("any", [list.code, Code::Closure("value".into(), Box::new(test))])
            }
            _ => return Ok(None),
        };
        Ok(Some(if somewhere { is } else { is.negated() }))
    }
}

/// Whether there are values is asked before they are compared: what may fail would not be evaluated then.
fn evaluated_first(left: &Node, right: &Node, guarded: bool) -> Outcome<()> {
    if guarded && (may_fail(left) || may_fail(right)) {
        return by_hand(left, "what is compared here may fail, and may be nothing");
    }
    Ok(())
}

/// Whether evaluating an expression may fail the object.
fn may_fail(node: &Node) -> bool {
    const FAIL: &str = "Error BitAnd BitOr Item CNum CDate CGuid CRef CBin CStr Split DNComponent DNComponentRev \
        StringFromSid StringFromGuid ConvertFromBase64 ConvertFromUTF8Hex RandomNum PadLeft PadRight ReplaceChars";
    let mut fails = false;
    node.walk(&mut |node| {
        fails |= matches!(&node.expr, Expr::Call(name, _) if FAIL.split_whitespace().any(|known| known == name));
    });
    fails
}

/// A text that letter case matters to, or just a text.
fn to_the_letter(text: &str) -> Code {
    let cased = text.chars().any(|letter| letter.is_alphabetic());
    if cased { Code::call("exact", [Code::text(text)]) } else { Code::text(text) }
}

fn is_truth(text: &str) -> bool {
    text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false")
}

/// Two sides that are compared to the letter.
fn same(operator: &'static str, left: Value, right: Value) -> Code {
    let is_text = left.kind == Kind::Text && right.kind == Kind::Text;
    let exact = |code: Code| match &code {
        Code::Plain(text) if text.starts_with('"') && !text.chars().any(char::is_alphabetic) => code,
        _ => Code::call("exact", [code]),
    };
    let literal = |code: &Code| matches!(code, Code::Plain(text) if text.starts_with('"'));
    match (is_text, literal(&left.code)) {
        (false, _) => Code::compare(operator, left.code, right.code),
        (true, false) => Code::compare(operator, left.code, exact(right.code)),
        (true, true) => Code::compare(operator, right.code, exact(left.code)),
    }
}

/// A mask of bits: hexadecimal, once it is large.
pub(super) fn mask_text(mask: i64) -> String {
    if mask > 0xff { format!("0x{mask:X}") } else { mask.to_string() }
}

fn sign(operator: Operator) -> Option<&'static str> {
    match operator {
        Operator::Less => Some("<"),
        Operator::LessOrEqual => Some("<="),
        Operator::Greater => Some(">"),
        Operator::GreaterOrEqual => Some(">="),
        Operator::Or
        | Operator::And
        | Operator::Equal
        | Operator::NotEqual
        | Operator::Join
        | Operator::Plus
        | Operator::Minus
        | Operator::Times
        | Operator::Divide => None,
    }
}

/// What is compared with `True` or `False`, and with which.
fn truth_compared<'n>(left: &'n Node, right: &'n Node) -> Option<(&'n Node, bool)> {
    match (left.truth(), right.truth()) {
        (None, Some(truth)) => Some((left, truth)),
        (Some(truth), _) => Some((right, truth)),
        (None, None) => None,
    }
}

/// Whether a choice between conditions may end in nothing: then it is neither true nor false.
fn may_be_null(node: &Node) -> bool {
    match node.call("IIF") {
        Some([_, yes, no]) => [yes, no].into_iter().any(|branch| branch.is_null() || may_be_null(branch)),
        _ => false,
    }
}

/// Whether an expression is a condition by its form. Nothing counts as one: it is false.
pub(super) fn is_condition(node: &Node) -> bool {
    match &node.expr {
        Expr::Word(_) => node.truth().is_some() || node.is_null(),
        Expr::Binary(operator, ..) => {
            sign(*operator).is_some()
                || matches!(operator, Operator::Or | Operator::And | Operator::Equal | Operator::NotEqual)
        }
        Expr::Call(name, arguments) => match (name.as_str(), arguments.as_slice()) {
            ("IIF", [_, yes, no]) => is_condition(yes) && is_condition(no) && !(yes.is_null() && no.is_null()),
            ("CBool", _) => true,
            (name, _) => name.starts_with("Is"),
        },
        _ => false,
    }
}
