//! An expression as lines of text: with a caret below what is meant, and not wider than a page.

use super::words::marked;
use crate::entra_connect::Message;

/// The widest line.
const WIDTH: usize = 96;

/// The line of an expression that a message is about, its neighbours, and a caret.
pub(super) fn picture(original: &str, message: &Message) -> String {
    let Some((number, column)) = message.at else { return wrapped(original) };
    let several = original.trim_end().contains('\n');
    let (_, mark, _) = marked(original, message);
    let length = mark.chars().count().max(1);
    let width = (number + 1).to_string().len();
    let mut out = String::new();
    for (at, line) in original.lines().enumerate().map(|(at, line)| (at + 1, line)) {
        if at.abs_diff(number) > 1 {
            continue;
        }
        let gutter = if several { format!("{at:>width$} | ") } else { String::new() };
        if at == number {
            let (line, before) = clipped(line, column.saturating_sub(1), length);
            let carets = "^".repeat(length.min(line.chars().count().saturating_sub(before)).max(1));
            let blank = if several { format!("{:width$} | ", "") } else { String::new() };
            out += &format!("{gutter}{line}\n{blank}{}{carets}\n", " ".repeat(before));
        } else {
            out += &format!("{gutter}{}\n", clipped(line, 0, 0).0);
        }
    }
    out
}

/// A stretch of a line around a place, and where the place is in it.
fn clipped(line: &str, at: usize, length: usize) -> (String, usize) {
    let letters: Vec<char> = line.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if letters.len() <= WIDTH {
        return (letters.iter().collect(), at);
    }
    // A third of the line stands before the place, if there is that much.
    let room = WIDTH.saturating_sub(length.min(WIDTH)) / 2;
    let start = at.saturating_sub(room.min(WIDTH / 3)).min(letters.len() - WIDTH);
    let end = start + WIDTH;
    let mut text: String = letters.iter().skip(start).take(WIDTH).collect();
    let mut before = at - start.min(at);
    if start > 0 {
        text.insert_str(0, "… ");
        before += 2;
    }
    if end < letters.len() {
        text.push_str(" …");
    }
    (text, before)
}

/// Long lines broken at blanks and behind commas.
pub(super) fn wrapped(text: &str) -> String {
    let mut out = String::new();
    for line in text.trim_matches('\n').lines() {
        let mut width = 0;
        for word in line.split_inclusive([' ', ',']) {
            let letters = word.chars().count();
            if width > 0 && width + letters > WIDTH {
                out.truncate(out.trim_end_matches(' ').len());
                out.push_str("\n    ");
                width = 4;
            }
            out.push_str(word);
            width += letters;
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entra_connect::MessageKind;
    use expect_test::expect;

    fn message(line: usize, column: usize, length: usize) -> Message {
        Message { kind: MessageKind::ByHand, text: String::new(), at: Some((line, column)), length, hint: None }
    }

    #[test]
    fn a_caret_stands_below_what_is_meant() {
        expect![[r#"
            ToLower([mail])
            ^^^^^^^
        "#]]
        .assert_eq(&picture("ToLower([mail])", &message(1, 1, 7)));
    }

    #[test]
    fn lines_of_a_long_expression_have_numbers() {
        expect![[r#"
            2 |   "äö",
            3 |  IF(x)
              |  ^^
        "#]]
        .assert_eq(&picture("IIF(a,\n  \"äö\",\n\tIF(x)", &message(3, 2, 2)));
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = format!("{}IF(x){}", "a, ".repeat(60), ", b".repeat(60));
        expect![[r#"
            … , a, a, a, a, a, a, a, a, a, a, IF(x), b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b,  …
                                              ^^
        "#]]
        .assert_eq(&picture(&text, &message(1, 181, 2)));
    }

    #[test]
    fn long_lines_are_broken() {
        assert_eq!(wrapped("short"), "short\n");
        let long = wrapped(&"word, ".repeat(40));
        assert!(long.lines().all(|line| line.chars().count() <= WIDTH), "{long}");
    }
}
