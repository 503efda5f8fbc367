//! Files that are damaged, are something else, or mean harm.

use super::*;

#[test]
fn what_is_not_xml_is_for_others() {
    for text in
        ["", "  \n", "{ \"a\": 1 }", "Items:\n- a", "<# a comment of PowerShell #>\nNew-ADSyncRule", "< 5", "a < b"]
    {
        assert!(read(text).unwrap().is_none(), "{text}");
    }
}

#[test]
fn a_document_type_is_refused() {
    let laughs = "<?xml version='1.0'?>\n<!DOCTYPE lolz [\n<!ENTITY a 'ha'>\n<!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>\n]>\n<SyncRules>&b;</SyncRules>";
    let expected = expect![[r#"
        export.xml:2: there is a document type (`<!DOCTYPE`), which is not read
        exports have none, and it could make the program read other files: is it the right file?
    "#]];
    refused(laughs, expected);
    assert!(read("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>").is_err());
    assert!(read("<!DOCTYPE html><html></html>").is_err());
}

#[test]
fn entities_are_those_of_xml_alone() {
    refused(
        &rule_with("<description>\nx &secret; y</description>"),
        expect![[r#"
            export.xml:11: the entity `&secret;` is unknown
            XML has `&lt;`, `&gt;`, `&amp;`, `&quot;` and `&apos;` by itself, and an export no others
        "#]],
    );
    assert!(read("<SyncRules server='&secret;'/>").is_err());
    assert!(read("<SyncRules>&#0;</SyncRules>").is_err());
    let text = rule_with("<description>&lt;&gt;&amp;&quot;&apos;&#65;&#x42;</description>");
    assert_eq!(rule(&text).description, "<>&\"'AB");
}

#[test]
fn depth_number_and_attributes_are_limited() {
    let deep = "<a>\n".repeat(100_000) + "</a>".repeat(100_000).as_str();
    refused(
        &deep,
        expect![[r#"
            export.xml:201: elements are nested more than 200 deep
            is the file complete, and as it was exported?
        "#]],
    );
    let wide = format!("<SyncRules>{}</SyncRules>", "<a/>".repeat(600_000));
    assert_eq!(read(&wide).unwrap_err().message, "there are more than 500000 elements");
    let many: String = (0..100_000).fold(String::new(), |text, number| text + format!(" a{number}='1'").as_str());
    assert_eq!(read(&format!("<a{many}/>")).unwrap_err().message, "an element has more than 64 attributes");
    let spaces: String =
        (0..10_000).fold(String::new(), |text, number| text + format!(" xmlns:a{number}='1'").as_str());
    assert!(read(&format!("<a{spaces}/>")).is_err());
    assert_eq!(read("<a b='1' b='2'/>").unwrap_err().message, "the attribute `b` stands there twice");
}

#[test]
fn a_file_that_was_cut_off_says_where() {
    let text = rule_with("<description>text</description>");
    refused(
        text.split("</description>").next().unwrap(),
        expect![[r#"
            export.xml:10: the file ends inside of `<description>`, which began in line 10
            is the file complete, and as it was exported?
        "#]],
    );
    refused(
        text.split("iption>text").next().unwrap(),
        expect![[r#"
        export.xml:10: it is not well-formed XML: syntax error: tag not closed: `>` not found before end of input
        is the file complete, and as it was exported?
    "#]],
    );
    for (end, _) in text.char_indices().skip(2) {
        assert!(read(text.get(..end).unwrap()).is_err(), "{end}");
    }
}

#[test]
fn what_is_not_well_formed_is_refused() {
    refused(
        "<SyncRules>\n<a>\n</b>\n</SyncRules>",
        expect![[r#"
        export.xml:3: it is not well-formed XML: ill-formed document: expected `</a>`, but `</b>` was found
        is the file complete, and as it was exported?
    "#]],
    );
    assert_eq!(
        read("<a/>\n<b/>").unwrap_err().to_string(),
        "export.xml:2: `<b>` stands behind the end of the root element"
    );
    assert_eq!(read("<a/>\nb").unwrap_err().to_string(), "export.xml:2: there is text outside of the root element");
    assert_eq!(read("<?xml version='1.0'?>").unwrap_err().message, "there is no element in it");
    for text in [
        "<a",
        "<a b",
        "<a b='",
        "<a>&",
        "<a>&amp",
        "<!-- ",
        "<a><![CDATA[",
        "<a></a></a>",
        "<?a",
        "<a:b xmlns:xml='x'/>",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn other_roots_are_named() {
    refused(
        "<?xml version='1.0'?>\n<project/>",
        expect![[r#"
            export.xml:2: the root element `<project>` is none of an export of Entra Connect
            these are `<synchronizationRule>`, `<SyncRules>`, `<ma-data>`, `<saved-ma-configuration>`, `<mv-data>` and `<saved-mv-configuration>`
        "#]],
    );
    assert!(read("<Objs Version='1.1.0.1'/>").unwrap_err().message.contains("`Export-Clixml`"));
    assert_eq!(read("<SyncRules/>").unwrap_err().message, "there is no `<synchronizationRule>` in `<SyncRules>`");
}

#[test]
fn a_message_is_one_short_line_whatever_the_file_says() {
    let long = "x".repeat(100_000);
    let name = RULE.replace("In from HR", &format!("a\nb\u{1b}[31m{long}")).replace(">Join<", ">Weld<");
    for text in [
        &"<".repeat(100_000).replacen("<", "<a", 1),
        &format!("<{long}/>"),
        &format!("<a {long}='1'/>"),
        &format!("<a>&{long};</a>"),
        &format!("<a></{long}>"),
        "<a \u{1b}='1'/>",
        &name,
    ] {
        let message = read(text).unwrap_err().message;
        assert!(message.len() < 520 && !message.contains(char::is_control), "{message}");
    }
}
