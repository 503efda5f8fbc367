//! Attributes with many values: functions of one value work on each, functions of lists on all.

use super::code::Code;
use super::emit::{Emitter, Outcome, by_hand};
use super::value::{Use, Value};
use crate::entra_connect::expression::{Expr, Node};
use crate::value::Kind;

/// Functions of text that give a text of each text here, too.
const EACH: [&str; 3] = ["Trim", "LCase", "UCase"];

impl Emitter<'_> {
    /// An expression whose values are taken together: each value of a list that stands where one value belongs gives one.
    pub(super) fn gathered(&mut self, node: &Node, used: Use) -> Outcome {
        // All values, even where those of an attribute are taken one by one around.
        if let (Some(name), true) = (node.attribute(), self.element.is_some()) {
            return self.whole_attribute(node, name);
        }
        let around = self.element.take();
        let value = self.gathered_alone(node, used);
        self.element = around;
        value
    }

    fn gathered_alone(&mut self, node: &Node, used: Use) -> Outcome {
        let looped = self.looped(node);
        match looped.as_slice() {
            [] => self.value(node, used),
            [_] if self.is_each(node) && used.is_loose() => self.value(node, used),
            [name] => self.mapped(node, name, used),
            _ => by_hand(node, "two attributes with many values are taken one by one here"),
        }
    }

    fn mapped(&mut self, node: &Node, name: &str, used: Use) -> Outcome {
        let list = self.whole_attribute(node, name)?;
        let key = name.to_ascii_lowercase();
        self.element = Some((key.clone(), "value".to_owned()));
        let depth = self.present.len();
        self.present.push(key);
        let one = self.value(node, used);
        self.present.truncate(depth);
        self.element = None;
        let one = one?;
        if one.code.has_verdict() {
            return by_hand(node, "`IgnoreThisFlow` or `AuthoritativeNull` for single values of a list");
        }
        if one.code.reads(self.scene.object) {
            return by_hand(node, "for each value of a list another attribute is read, or the whole list");
        }
        let code = Code::call("map", [list.code.clone(), Code::Closure("value".to_owned(), Box::new(one.code))]);
        let needs = list.needs.clone();
        Ok(Value { code, kind: one.kind, multi: true, may_be_nothing: true, may_be_empty: false, needs })
    }

    /// Whether it is functions of text around a list, and no more.
    fn is_each(&self, node: &Node) -> bool {
        match &node.expr {
            Expr::Call(name, arguments) => match arguments.as_slice() {
                [inner] if EACH.contains(&name.as_str()) => self.is_each(inner),
                [inner] => name == "ImportedValue" && inner.text().is_some(),
                _ => false,
            },
            Expr::Attribute(_) => true,
            _ => false,
        }
    }

    /// Attributes with many values that stand where one value belongs.
    fn looped(&self, node: &Node) -> Vec<String> {
        let mut found = Vec::new();
        self.find_looped(node, true, &mut found);
        let mut names: Vec<String> = Vec::new();
        for name in found {
            if !names.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
                names.push(name);
            }
        }
        names
    }

    fn find_looped(&self, node: &Node, result: bool, found: &mut Vec<String>) {
        match &node.expr {
            // An attribute that is the answer, or a branch of it, is handed on whole.
            Expr::Attribute(_) if result => {}
            Expr::Attribute(name) => {
                let schema = (self.scene.schema)(name);
                if schema.multi && schema.kind != Kind::Reference {
                    found.push(name.clone());
                }
            }
            Expr::Call(name, arguments) => {
                for (at, argument) in arguments.iter().enumerate() {
                    match (name.as_str(), at) {
                        ("IIF", 1 | 2) => self.find_looped(argument, result, found),
                        ("Switch", at) if at % 2 == 1 => self.find_looped(argument, result, found),
                        ("ImportedValue" | "ValueCount", _) => {}
                        (name, at) if takes_list(name, at) => {}
                        _ => self.find_looped(argument, false, found),
                    }
                }
            }
            Expr::Binary(_, left, right) => {
                self.find_looped(left, false, found);
                self.find_looped(right, false, found);
            }
            Expr::Negative(inner) => self.find_looped(inner, false, found),
            Expr::Text(_)
            | Expr::Integer(_)
            | Expr::Decimal(_)
            | Expr::Word(_)
            | Expr::Parameter(_)
            | Expr::Variable(_) => {}
        }
    }
}

/// Whether a function takes all values of an argument at once.
pub(super) fn takes_list(name: &str, at: usize) -> bool {
    match name {
        "Contains" | "Count" | "Item" | "ItemOrNull" | "Join" | "RemoveDuplicates" => at == 0,
        "IsPresent" | "IsNull" | "IsNullOrEmpty" | "IsEmpty" => at == 0,
        "Where" | "Select" => at == 1,
        _ => false,
    }
}
