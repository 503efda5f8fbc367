//! Text that somebody else wrote, as Markdown that says nothing else: no mark-up, no mention, no end of a table's cell.

/// Code within a line.
pub(super) fn code(text: &str) -> String {
    let text: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        return "(empty)".to_owned();
    }
    let fence = "`".repeat(if text.contains('`') { longest_run(&text) + 1 } else { 1 });
    let blank = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{blank}{text}{blank}{fence}")
}

/// Code in the cell of a table, whose lines count in code as well.
pub(super) fn cell(text: &str) -> String {
    code(text).replace('|', "\\|")
}

/// A sentence of ours, with what others wrote in backticks.
pub(super) fn prose(text: &str) -> String {
    let pieces: Vec<&str> = text.split('`').collect();
    let even = pieces.len().is_multiple_of(2);
    let mut out = String::new();
    for (at, piece) in pieces.iter().enumerate() {
        let unpaired = even && at + 1 == pieces.len();
        match (at.is_multiple_of(2), unpaired) {
            (false, false) => out.push_str(&code(piece)),
            (true, _) | (false, true) => out.push_str(&plain(piece)),
        }
    }
    out
}

/// Text that is nothing but text.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '|' | '*' | '[' | ']' | '<' | '>' | '\\' | '@' | '#' | '~' | '!' | '`' | '&' => {
                out.push_str(&format!("&#{};", u32::from(letter)));
            }
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}

/// A block of code that its text cannot end.
pub(super) fn block(text: &str) -> String {
    let shown = |letter: char| if letter.is_control() && letter != '\n' { ' ' } else { letter };
    let text: String = text.chars().map(shown).collect();
    let fence = "`".repeat(longest_run(&text).max(2) + 1);
    format!("{fence}text\n{}\n{fence}\n", text.trim_end())
}

fn longest_run(text: &str) -> usize {
    let ticks = text.split(|letter| letter != '`').map(str::len);
    ticks.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_cannot_end_itself_or_a_cell() {
        assert_eq!(code("a|b"), "`a|b`");
        assert_eq!(cell("a|b"), r"`a\|b`");
        assert_eq!(code("`x`` y"), "``` `x`` y ```");
        assert_eq!(code("IIF(a,\n  b)"), "`IIF(a, b)`");
        assert_eq!(code(""), "(empty)");
    }

    #[test]
    fn prose_keeps_code_and_nothing_else() {
        assert_eq!(prose("no function `<b>|` @all"), "no function `<b>|` &#64;all");
        assert_eq!(prose("an odd ` tick <b>"), "an odd  tick &#60;b&#62;");
    }

    #[test]
    fn a_block_has_a_longer_fence_than_its_text() {
        assert_eq!(block("a\n```\nb\n"), "````text\na\n```\nb\n````\n");
    }
}
