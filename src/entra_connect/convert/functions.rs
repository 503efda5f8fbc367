//! Functions: those of rules where they mean the same, else those of Entra Connect under their own names.

use std::collections::BTreeSet;

use super::code::Code;
use super::emit::{Emitter, Outcome, attribute, by_hand};
use super::lists::takes_list;
use super::value::{Use, Value};
use crate::entra_connect::expression::Node;
use crate::value::Kind;

/// Functions that give nothing of nothing.
const OF_NOTHING: &str = "Trim LTrim RTrim LCase UCase PCase Replace ReplaceChars Join CStr CRef CGuid CNum CDate \
    ConvertToBase64 ConvertFromBase64 ConvertToUTF8Hex ConvertFromUTF8Hex StringFromSid StringFromGuid DNComponent \
    DNComponentRev EscapeDNComponent FormatDateTime DateFromNum NumFromDate RemoveDuplicates Split Thumbprint";

/// Functions whose text may be empty.
const EMPTY: &str = "Trim LTrim RTrim Left Right Mid Word Replace ReplaceChars Join PadLeft PadRight ConvertFromBase64 \
    ConvertFromUTF8Hex FormatDateTime CertFriendlyName CertNameInfo";

const INTEGERS: &str = "InStr InStrRev Len Count Contains CNum BitAnd BitOr NumFromDate RandomNum ValueCount";
const LISTS: &str = "RemoveDuplicates Split CertExtensionOids";
const TIMES: &str = "CDate DateAdd DateFromNum Now CertNotAfter CertNotBefore";
const NEVER_NOTHING: &str = "InStr InStrRev Len Count Contains BitAnd BitOr RandomNum ValueCount Left Right Mid Word \
    PadLeft PadRight Item CBin Now Guid";

fn among(names: &str, name: &str) -> bool {
    names.split_whitespace().any(|known| known == name)
}

impl Emitter<'_> {
    pub(super) fn function(&mut self, node: &Node, name: &str, arguments: &[Node], used: Use) -> Outcome {
        match (name, arguments) {
            ("Trim", [text]) if used.is_loose() => self.plain_function("trim", text, Use::Loose),
            ("LCase", [text]) => self.letters("lower", node, text, used),
            ("UCase", [text]) => self.letters("upper", node, text, used),
            ("Left" | "Right", [text, count]) if used.is_loose() && count.integer().is_some_and(|count| count > 0) => {
                self.end(if name == "Left" { "left" } else { "right" }, node, text, count)
            }
            ("Item", [list, number]) if number.integer() == Some(1) => self.first(node, list),
            ("ConvertToBase64" | "StringFromSid", [bytes]) => self.bytes(node, name, bytes),
            ("CStr", [value]) => self.as_text(node, value, used),
            ("CRef", [name]) if name.attribute().is_some_and(|name| name.eq_ignore_ascii_case("dn")) => {
                self.value(name, used)
            }
            ("ImportedValue", [name]) => self.imported(node, name),
            ("ValueCount", [name]) => self.count(node, name),
            ("Error", [_]) if used == Use::Answer => self.failed(node),
            ("Where" | "Select", [variable, list, body]) => self.each(node, name, variable, list, body),
            ("With", [variable, bound, body]) => self.with(node, variable, bound, body, used),
            ("CBool", [_]) => Ok(Value::certain(self.condition(node)?, Kind::Boolean)),
            ("IsPresent" | "IsNullOrEmpty" | "IsNull", [_]) => Ok(Value::certain(self.condition(node)?, Kind::Boolean)),
            ("RemoveDuplicates", [list]) if used.is_loose() => {
                let list = self.gathered(list, Use::Loose)?;
                let code = Code::call("entra::RemoveDuplicates", [list.code.clone()]);
                let kind = list.kind;
                Ok(Value { multi: true, ..list.with(code, kind) })
            }
            ("BitAnd" | "BitOr" | "IsBitSet", [number, mask]) => self.bits(node, name, number, mask),
            _ => self.exact(node, name, arguments),
        }
    }

    /// Masks are read more easily in hexadecimal.
    fn bits(&mut self, node: &Node, name: &str, number: &Node, mask: &Node) -> Outcome {
        let value = self.exact(node, name, &[number.clone(), mask.clone()])?;
        match (value.code.clone(), mask.integer()) {
            (Code::Call(name, arguments), Some(mask)) => {
                let arguments = arguments.into_iter().take(1).chain([Code::plain(super::conditions::mask_text(mask))]);
                let kind = value.kind;
                Ok(value.with(Code::call(name, arguments), kind))
            }
            _ => Ok(value),
        }
    }

    /// The function of Entra Connect under its own name.
    fn exact(&mut self, node: &Node, name: &str, arguments: &[Node]) -> Outcome {
        if among("Now Guid RandomNum", name) {
            self.warn(
                node,
                format!("`{name}` gives another value at each evaluation there; here it is one for a run or an object"),
            );
        }
        let mut codes = Vec::new();
        let mut first: Option<Value> = None;
        let mut empties = false;
        for (at, argument) in arguments.iter().enumerate() {
            let value = if takes_list(name, at) {
                self.gathered(argument, Use::Strict)?
            } else {
                self.value(argument, Use::Strict)?
            };
            if value.kind == Kind::Reference {
                return by_hand(
                    argument,
                    format!("`{name}` is given a reference, and rules can only hand references on"),
                );
            }
            codes.push(value.code.clone());
            empties |= value.may_be_empty;
            first = first.or(Some(value));
        }
        let code = Code::call(format!("entra::{name}"), codes);
        let kind = match name {
            _ if among(INTEGERS, name) => Kind::Integer,
            _ if among(TIMES, name) => Kind::Time,
            "CBin" | "CGuid" => Kind::Bytes,
            "Item" | "ItemOrNull" | "RemoveDuplicates" => first.as_ref().map_or(Kind::Text, |list| list.kind),
            "Mid" if first.as_ref().is_some_and(|value| value.kind == Kind::Bytes) => Kind::Bytes,
            name if name.starts_with("Is") => Kind::Boolean,
            _ => Kind::Text,
        };
        let strict = among(OF_NOTHING, name);
        let (needs, known) = match first {
            Some(value) if strict => (value.needs, !value.may_be_nothing && name != "DateFromNum"),
            _ => (BTreeSet::new(), among(NEVER_NOTHING, name) || kind == Kind::Boolean),
        };
        let may_be_empty = among(EMPTY, name) || (empties && kind == Kind::Text);
        Ok(Value { code, kind, multi: among(LISTS, name), may_be_nothing: !known, may_be_empty, needs })
    }

    /// A function of rules that gives nothing of nothing and of empty text.
    fn plain_function(&mut self, name: &str, text: &Node, used: Use) -> Outcome {
        let value = self.value(text, used)?;
        let (code, multi) = (Code::call(name, [value.code.clone()]), value.multi);
        Ok(Value { may_be_nothing: true, may_be_empty: false, multi, ..value.with(code, Kind::Text) })
    }

    /// Small or capital letters: as there, as long as the text is not empty.
    fn letters(&mut self, ours: &str, node: &Node, text: &Node, used: Use) -> Outcome {
        let value = self.value(text, used)?;
        if value.kind != Kind::Text {
            return by_hand(node, "letters of what is no text are changed here");
        }
        if value.may_be_empty && !used.is_loose() {
            let name = if ours == "lower" { "LCase" } else { "UCase" };
            return self.exact(node, name, std::slice::from_ref(text));
        }
        let may_be_nothing = value.may_be_nothing || value.may_be_empty;
        let code = Code::call(ours, [value.code.clone()]);
        Ok(Value { may_be_nothing, may_be_empty: false, ..value.with(code, Kind::Text) })
    }

    fn end(&mut self, ours: &str, node: &Node, text: &Node, count: &Node) -> Outcome {
        let value = self.value(text, Use::Loose)?;
        if !matches!(value.kind, Kind::Text | Kind::Time) || value.multi {
            return self.exact(node, if ours == "left" { "Left" } else { "Right" }, &[text.clone(), count.clone()]);
        }
        let count = self.value(count, Use::Strict)?;
        let may_be_nothing = value.may_be_nothing || value.may_be_empty;
        let code = Code::call(ours, [value.code.clone(), count.code]);
        Ok(Value { may_be_nothing, may_be_empty: false, ..value.with(code, Kind::Text) })
    }

    /// The first value of an attribute that is known to be there; of others, the exact function fails as it does there.
    fn first(&mut self, node: &Node, list: &Node) -> Outcome {
        let known = list.attribute().is_some_and(|name| self.present.contains(&name.to_ascii_lowercase()));
        if !known {
            let one = Node { span: node.span.clone(), expr: crate::entra_connect::expression::Expr::Integer(1) };
            return self.exact(node, "Item", &[list.clone(), one]);
        }
        let name = list.attribute().unwrap_or_default();
        let value = self.whole_attribute(list, name)?;
        let (code, kind) = (Code::call("first", [value.code.clone()]), value.kind);
        Ok(Value { multi: false, ..value.with(code, kind) })
    }

    /// Text in Base64, and security identifiers, of bytes.
    fn bytes(&mut self, node: &Node, name: &str, bytes: &Node) -> Outcome {
        let value = self.value(bytes, Use::Strict)?;
        if value.kind != Kind::Bytes || value.multi {
            return self.exact(node, name, std::slice::from_ref(bytes));
        }
        let ours = if name == "StringFromSid" { "sid" } else { "base64" };
        let code = Code::call(ours, [value.code.clone()]);
        Ok(value.with(code, Kind::Text))
    }

    /// `CStr` of text is the text.
    fn as_text(&mut self, node: &Node, inner: &Node, used: Use) -> Outcome {
        let value = self.value(inner, used)?;
        match value.kind {
            Kind::Text | Kind::Time => Ok(Value { kind: Kind::Text, ..value }),
            Kind::Integer => {
                let code = Code::call("to_text", [value.code.clone()]);
                Ok(value.with(code, Kind::Text))
            }
            Kind::Boolean | Kind::Bytes | Kind::Password | Kind::Reference => {
                self.exact(node, "CStr", std::slice::from_ref(inner))
            }
        }
    }

    /// The name in quotes that `ImportedValue` and `ValueCount` are given.
    fn named<'n>(&self, node: &Node, name: &'n Node) -> Outcome<&'n str> {
        match (name.text(), name.attribute()) {
            (Some(name), _) | (None, Some(name)) => Ok(name.trim_matches(['[', ']'])),
            (None, None) => by_hand(node, "the name of an attribute in quotes is needed here"),
        }
    }

    fn imported(&mut self, node: &Node, name: &Node) -> Outcome {
        let name = self.named(node, name)?;
        let value = self.whole_attribute(node, name)?;
        let kind = value.kind;
        if kind == Kind::Reference {
            return by_hand(node, "an imported reference is read, and rules can only hand references on");
        }
        let code = Code::call("imported", [value.code.clone()]);
        // What waits to be written may be there while what was imported is not.
        Ok(Value { may_be_nothing: true, ..value.with(code, kind) })
    }

    fn count(&mut self, node: &Node, name: &Node) -> Outcome {
        let name = self.named(node, name)?;
        let code = match self.whole_attribute(node, name)?.code {
            Code::Plain(code) => Code::plain(code),
            _ => attribute(self.scene.object, name),
        };
        Ok(Value::certain(Code::call("count", [code]), Kind::Integer))
    }

    fn failed(&mut self, node: &Node) -> Outcome {
        let [message] = node.call("Error").unwrap_or_default() else { return by_hand(node, "an error without a text") };
        let message = self.value(message, Use::Loose)?;
        Ok(Value::certain(Code::call("error", [message.code]), Kind::Text))
    }

    /// `Where` and `Select`: the variable is the parameter of a closure.
    fn each(&mut self, node: &Node, name: &str, variable: &Node, list: &Node, body: &Node) -> Outcome {
        let variable = variable_name(variable)?;
        let list = self.gathered(list, Use::Loose)?;
        if list.kind == Kind::Reference {
            return by_hand(node, "the values of a reference are looked at one by one");
        }
        let one = Value { multi: false, ..Value::certain(Code::nothing(), list.kind) };
        let ours = self.bind(&variable, one);
        let made = if name == "Where" {
            self.condition(body).map(|code| Value::certain(code, list.kind))
        } else {
            self.value(body, Use::Loose)
        };
        self.variables.pop();
        let made = made?;
        if made.code.reads(self.scene.object) {
            return by_hand(node, "for each value of a list an attribute is read");
        }
        let closure = Code::Closure(ours, Box::new(made.code));
        let code = Code::call(if name == "Where" { "filter" } else { "map" }, [list.code, closure]);
        Ok(Value { code, kind: made.kind, multi: true, may_be_nothing: true, may_be_empty: false, needs: list.needs })
    }

    fn with(&mut self, node: &Node, variable: &Node, bound: &Node, body: &Node, used: Use) -> Outcome {
        let variable = variable_name(variable)?;
        let bound = self.gathered(bound, Use::Strict)?;
        if bound.kind == Kind::Reference {
            return by_hand(node, "a reference is bound to a variable");
        }
        let ours = self.bind(&variable, bound.clone());
        let with_body = body;
        let body = self.value(body, used);
        self.variables.pop();
        let body = body?;
        if body.code.reads(self.scene.object) {
            // A closure cannot read attributes: the value stands where the variable stood.
            self.variables.push((variable, bound));
            let body = self.value(with_body, used);
            self.variables.pop();
            return body;
        }
        let code = Code::call("entra::With", [bound.code, Code::Closure(ours, Box::new(body.code))]);
        Ok(Value { may_be_nothing: true, needs: BTreeSet::new(), code, ..body })
    }

    /// Gives a variable, and what is known of its value, a name that nothing around it has.
    fn bind(&mut self, variable: &str, value: Value) -> String {
        let letters = variable.to_ascii_lowercase();
        let word: String = letters.chars().filter(char::is_ascii_alphanumeric).collect();
        let base = if super::emit::is_word(&word) { word } else { format!("item{word}") };
        let taken = |name: &str| {
            let named = |(_, value): &(String, Value)| value.code == Code::plain(name);
            name == self.scene.object || name == "value" || self.variables.iter().any(named)
        };
        let mut ours = base.clone();
        let mut number = 2;
        while taken(&ours) {
            ours = format!("{base}{number}");
            number += 1;
        }
        let value = Value { code: Code::plain(&ours), needs: BTreeSet::new(), ..value };
        self.variables.push((variable.to_owned(), value));
        ours
    }
}

fn variable_name(node: &Node) -> Outcome<String> {
    match &node.expr {
        crate::entra_connect::expression::Expr::Variable(name) => Ok(name.clone()),
        _ => by_hand(node, "a variable such as `$item` is needed here"),
    }
}
