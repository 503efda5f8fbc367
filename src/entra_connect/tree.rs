//! Nested lists and tables with the line of each, from JSON or YAML alike. Knows neither rules nor how either is spelt.

/// A value of a file.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// What it is.
    pub(super) what: What,
    /// Where it begins, from 1.
    pub(super) line: usize,
    /// Where its text begins: the first character of a scalar that is not blank.
    pub(super) text_line: usize,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// Nothing.
    Null,
    /// Text, or a number or truth as it is spelt.
    Scalar(String),
    /// Several values.
    List(Vec<Node>),
    /// Values by name, in the order of the file.
    Table(Vec<(String, Node)>),
}

impl Node {
    /// The value of a key, in any case. Nothing for a null.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        let found = self.entries().iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, node)| node);
        match found {
            Some(node) => Some(node).filter(|node| !matches!(node.what, What::Null)),
            None => self.entries().iter().filter(|(name, _)| name == "<<").find_map(|(_, base)| base.get(key)),
        }
    }

    /// The value of the first of several keys that is there.
    pub(super) fn any(&self, keys: &[&str]) -> Option<&Node> {
        keys.iter().find_map(|key| self.get(key))
    }

    /// The text of a key. Nothing where it is not there or not text.
    pub(super) fn text(&self, keys: &[&str]) -> Option<&str> {
        self.any(keys).and_then(Node::scalar)
    }

    /// The text of a scalar.
    pub(super) fn scalar(&self) -> Option<&str> {
        match &self.what {
            What::Scalar(text) => Some(text),
            What::Null | What::List(_) | What::Table(_) => None,
        }
    }

    /// The values of a list.
    pub(super) fn list(&self) -> Option<&[Node]> {
        match &self.what {
            What::List(items) => Some(items),
            What::Null | What::Scalar(_) | What::Table(_) => None,
        }
    }

    /// The keys and values of a table; none for anything else.
    pub(super) fn entries(&self) -> &[(String, Node)] {
        match &self.what {
            What::Table(entries) => entries,
            What::Null | What::Scalar(_) | What::List(_) => &[],
        }
    }

    /// Its keys, for messages.
    pub(super) fn keys(&self) -> String {
        let keys: Vec<String> = self.entries().iter().map(|(key, _)| format!("`{key}`")).collect();
        if keys.is_empty() { format!("no keys, but {}", self.kind()) } else { keys.join(", ") }
    }

    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self.what {
            What::Null => "nothing",
            What::Scalar(_) => "a single value",
            What::List(_) => "a list",
            What::Table(_) => "keys and values",
        }
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        match &self.what {
            What::Null => true,
            What::Scalar(text) => text.is_empty(),
            What::List(items) => items.is_empty(),
            What::Table(entries) => entries.is_empty(),
        }
    }
}
