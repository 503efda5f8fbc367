//! Names as numbers: attribute, rule, connector and type names are stored once.

use std::collections::HashMap;
use std::sync::Arc;

use crate::value::AttributeName;

/// The number of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub(super) struct Symbol(pub(super) u16);

/// Both directions. Names keep their spelling; names that differ in ASCII case are different symbols, save for
/// attributes, which are looked up folded.
#[derive(Clone, Debug, Default)]
pub(super) struct Symbols {
    names: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, Symbol>,
}

impl Symbols {
    /// Takes up a name that was stored.
    pub(super) fn restore(&mut self, symbol: Symbol, name: &str) -> bool {
        if usize::from(symbol.0) != self.names.len() {
            return false;
        }
        self.push(name).is_some()
    }

    fn push(&mut self, name: &str) -> Option<Symbol> {
        let symbol = Symbol(u16::try_from(self.names.len()).ok()?);
        let name: Arc<str> = name.into();
        self.names.push(Arc::clone(&name));
        self.numbers.insert(name.to_ascii_lowercase().into(), symbol);
        Some(symbol)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// The symbol of a name, if it has one.
    pub(super) fn get(&self, name: &str) -> Option<Symbol> {
        if let Some(symbol) = self.numbers.get(name) {
            return Some(*symbol);
        }
        self.numbers.get(name.to_ascii_lowercase().as_str()).copied()
    }

    /// The symbol of a name, made when it has none. Says whether it is new. Nothing when all numbers are taken.
    pub(super) fn intern(&mut self, name: &str) -> Option<(Symbol, bool)> {
        match self.get(name) {
            Some(symbol) => Some((symbol, false)),
            None => self.push(name).map(|symbol| (symbol, true)),
        }
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Symbol, &Arc<str>)> {
        self.names.iter().enumerate().filter_map(|(at, name)| Some((Symbol(u16::try_from(at).ok()?), name)))
    }

    /// The name of a symbol.
    pub(super) fn name(&self, symbol: Symbol) -> Option<Arc<str>> {
        self.names.get(usize::from(symbol.0)).cloned()
    }

    /// The name of a symbol, as an attribute name.
    pub(super) fn attribute(&self, symbol: Symbol) -> Option<AttributeName> {
        self.name(symbol).map(AttributeName::from)
    }
}
