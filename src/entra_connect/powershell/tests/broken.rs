//! Scripts that cannot be read: each is told with its line, and with what to do.

use std::path::Path;

use expect_test::{Expect, expect};

use super::read_text;

fn check_error(text: &str, expected: Expect) {
    let error = read_text(text, Path::new("rules.ps1")).unwrap_err();
    expected.assert_eq(&format!("{error}\nhint: {}", error.hint.clone().unwrap_or_default()));
}

#[test]
fn quotes_must_end() {
    check_error(
        "New-ADSyncRule `\n-Name 'In from AD `\n-Direction Inbound\n",
        expect![[r#"
            rules.ps1:2: the text that begins here with `'` has no end
            hint: close the quote; a quote inside is written twice"#]],
    );
    check_error(
        "New-ADSyncRule -Name \"a\"\n\n$x = \"b\n",
        expect![[r#"
        rules.ps1:3: the text that begins here with `"` has no end
        hint: close the quote; a quote inside is written twice"#]],
    );
    check_error(
        "New-ADSyncRule -Name a\n$x = @'\nb\n",
        expect![[r#"
        rules.ps1:2: the text that begins here with `@'` has no end
        hint: end it with the quote and `@` at the start of a line"#]],
    );
    check_error(
        "New-ADSyncRule -Name a\n$x = @'b'@\n",
        expect![[r#"
        rules.ps1:2: the text that begins here with `@'` must begin on the next line
        hint: break the line after the quote"#]],
    );
}

#[test]
fn brackets_and_comments_must_end() {
    check_error(
        "New-ADSyncRule -Name a\n\n$p = @{\n a = 1\n",
        expect![[r#"
        rules.ps1:3: a bracket that opens here is not closed
        hint: close it, or close the quote that swallowed its end"#]],
    );
    check_error(
        "New-ADSyncRule -Name (a]\n",
        expect![[r#"
        rules.ps1:1: a bracket closes here, but not the one that opens on line 1
        hint: check the brackets of the lines above it"#]],
    );
    check_error(
        "New-ADSyncRule -Name a)\n",
        expect![[r#"
        rules.ps1:1: a bracket closes here that was not opened
        hint: check the brackets of the lines above it"#]],
    );
    check_error(
        "New-ADSyncRule -Name a\n<# b\n",
        expect![[r#"
        rules.ps1:2: the comment that begins here with `<#` has no end
        hint: end it with `#>`"#]],
    );
    let deep = format!("New-ADSyncRule -Name {}", "(".repeat(100_000));
    check_error(
        &deep,
        expect![[r#"
        rules.ps1:1: brackets are more than 64 deep here
        hint: check the brackets of the lines above it"#]],
    );
}
