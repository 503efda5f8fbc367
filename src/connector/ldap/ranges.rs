//! Ranged retrieval: Active Directory hands out large lists in pieces (`member;range=0-1499`), the last one ending in
//! `-*`. Pure; what is sent and received is the caller's business.

/// A range as an attribute option: from where, and to where unless it is the last piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// Position of the first value.
    pub(crate) first: u64,
    /// Position of the last value; nothing in the last piece.
    pub(crate) last: Option<u64>,
}

impl Range {
    /// Reads `range=0-1499` or `range=1500-*`.
    pub(crate) fn parse(option: &str) -> Option<Range> {
        let (key, span) = option.split_once('=')?;
        if !key.eq_ignore_ascii_case("range") {
            return None;
        }
        let (first, last) = span.split_once('-')?;
        let first = first.parse().ok()?;
        match last {
            "*" => Some(Range { first, last: None }),
            last => last.parse().ok().filter(|last| *last >= first).map(|last| Range { first, last: Some(last) }),
        }
    }
}

/// What to do after a piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ask for this next: `member;range=1500-*`.
    Ask(String),
    /// All values are there.
    Done,
    /// The server does not keep to the protocol; what was read is not the whole list.
    Broken(String),
}

/// Puts a list together from its pieces.
#[derive(Debug)]
pub(crate) struct RangeReader {
    name: String,
    next: u64,
    /// What has been read.
    pub(crate) values: Vec<Vec<u8>>,
}

impl RangeReader {
    /// For the attribute of this name, from its beginning.
    pub(crate) fn new(name: &str) -> RangeReader {
        RangeReader { name: name.into(), next: 0, values: Vec::new() }
    }

    /// What to ask for now.
    pub(crate) fn ask(&self) -> String {
        format!("{};range={}-*", self.name, self.next)
    }

    /// Takes the answer: the range the server gave and its values, or nothing when the attribute was not in the answer.
    pub(crate) fn accept(&mut self, piece: Option<(Option<Range>, Vec<Vec<u8>>)>) -> Step {
        let Some((range, values)) = piece else {
            // No attribute at all: the list ended just before, or has become empty.
            return Step::Done;
        };
        let Some(range) = range else {
            // Without a range in the answer these are all the values, from the first.
            self.values = values;
            return Step::Done;
        };
        if range.first != self.next {
            return Step::Broken(format!(
                "asked for `{}` from value {} on, the server gave them from {} on",
                self.name, self.next, range.first
            ));
        }
        let count = values.len() as u64;
        self.values.extend(values);
        let Some(last) = range.last else { return Step::Done };
        if count == 0 || last - range.first + 1 != count {
            return Step::Broken(format!(
                "the server announced values {} to {last} of `{}` and gave {count}",
                range.first, self.name
            ));
        }
        self.next = last + 1;
        Step::Ask(self.ask())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(range: std::ops::Range<u64>) -> Vec<Vec<u8>> {
        range.map(|number| number.to_string().into_bytes()).collect()
    }

    #[test]
    fn options_are_read() {
        assert_eq!(Range::parse("range=0-1499"), Some(Range { first: 0, last: Some(1499) }));
        assert_eq!(Range::parse("Range=1500-*"), Some(Range { first: 1500, last: None }));
        for text in ["range", "range=", "range=1-", "range=-1", "range=5-4", "lang-de", "range=a-b", "binary"] {
            assert_eq!(Range::parse(text), None, "{text}");
        }
    }

    /// A server that gives `size` values in pieces of `piece`.
    fn read_all(total: u64, piece: u64) -> (u64, usize) {
        let mut reader = RangeReader::new("member");
        let mut asked = 0;
        let mut ask = reader.ask();
        loop {
            asked += 1;
            let first: u64 = ask.trim_start_matches("member;range=").trim_end_matches("-*").parse().unwrap();
            let end = (first + piece).min(total);
            let range = Range { first, last: (end < total).then_some(end - 1) };
            match reader.accept(Some((Some(range), values(first..end)))) {
                Step::Ask(next) => ask = next,
                Step::Done => break,
                Step::Broken(why) => panic!("{why}"),
            }
        }
        assert_eq!(reader.values, values(0..total));
        (asked, reader.values.len())
    }

    #[test]
    fn pieces_are_put_together() {
        assert_eq!(read_all(1499, 1500), (1, 1499));
        assert_eq!(read_all(1500, 1500), (1, 1500));
        assert_eq!(read_all(1501, 1500), (2, 1501));
        assert_eq!(read_all(10_000, 1500), (7, 10_000));
    }

    #[test]
    fn odd_answers() {
        let mut reader = RangeReader::new("member");
        assert_eq!(
            reader.accept(Some((Some(Range { first: 0, last: Some(1) }), values(0..2)))),
            Step::Ask("member;range=2-*".into())
        );
        assert!(matches!(reader.accept(Some((Some(Range { first: 1, last: None }), values(1..3)))), Step::Broken(_)));
        assert_eq!(reader.accept(None), Step::Done, "members were removed meanwhile");
        assert_eq!(reader.values, values(0..2));

        let mut reader = RangeReader::new("member");
        let short = reader.accept(Some((Some(Range { first: 0, last: Some(4) }), values(0..2))));
        assert!(matches!(short, Step::Broken(_)));
        let mut reader = RangeReader::new("member");
        assert_eq!(reader.accept(Some((None, values(0..3)))), Step::Done);
        assert_eq!(reader.values.len(), 3);
    }
}
