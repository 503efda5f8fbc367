//! XML as a tree of elements that know their lines.
//!
//! Knows the namespaces that matter; neither how XML is written nor what any element means.

/// Where a name is from. The prefix is the writer's choice and says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// Directory Services Markup Language, for schemas.
    Dsml,
    /// No namespace, or one that is of no interest.
    Other,
}

/// An element and all that is in it.
#[derive(Debug)]
pub(super) struct Element {
    /// Where its name is from.
    pub(super) space: Space,
    /// Its name without a prefix.
    pub(super) name: String,
    /// All its text, without that of its children.
    pub(super) text: String,
    /// Where it begins.
    pub(super) line: usize,
    /// Where the first character of its text stands that is not blank.
    pub(super) text_line: Option<usize>,
    /// What stands in it, in order.
    pub(super) children: Vec<Element>,
    /// Its attributes, those with a prefix left out.
    pub(super) attributes: Vec<(String, String)>,
}

impl Element {
    /// The children of a name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first child of a name.
    pub(super) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// What is reached by names of children, one below the other.
    pub(super) fn below<const N: usize>(&self, names: [&str; N]) -> Option<&Element> {
        names.iter().try_fold(self, |element, name| element.child(name))
    }

    /// The text of the first child of a name, without blanks around it. Empty where there is none.
    pub(super) fn text_of(&self, name: &str) -> &str {
        self.child(name).map_or("", Element::trimmed)
    }

    /// Its text without blanks around it.
    pub(super) fn trimmed(&self) -> &str {
        self.text.trim()
    }

    /// The value of an attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Itself and all elements below it, in the order of the file.
    pub(super) fn everything(&self) -> impl Iterator<Item = &Element> {
        let mut waiting = vec![self];
        std::iter::from_fn(move || {
            let element = waiting.pop()?;
            waiting.extend(element.children.iter().rev());
            Some(element)
        })
    }

    /// Adds text that stands at a line.
    pub(super) fn add(&mut self, text: &str, line: usize) {
        if let (None, Some(first)) = (self.text_line, text.find(|character: char| !character.is_whitespace())) {
            self.text_line = Some(line + breaks(text.get(..first).unwrap_or_default()));
        }
        self.text.push_str(text);
    }

    /// Ends it: a line break is LF, also one that was written as a reference; blanks between children are nothing.
    pub(super) fn close(&mut self) {
        if self.text_line.is_none() && !self.children.is_empty() {
            self.text = String::new();
        } else if self.text.contains('\r') {
            self.text = self.text.replace("\r\n", "\n").replace('\r', "\n");
        }
    }
}

/// How many lines end in a text.
pub(super) fn breaks(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}
