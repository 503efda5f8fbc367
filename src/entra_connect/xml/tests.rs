//! Small exports, written by hand: what is read of them, what is told, and what is refused.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use expect_test::{Expect, expect};

use super::*;
use crate::entra_connect::export::{ConnectorKind, Direction, Link, Rule};
use crate::value::Kind;

mod connectors;
mod hostile;

const RULE: &str = "<synchronizationRule>
  <id>{11111111-AAAA-0000-0000-000000000001}</id>
  <name>In from HR</name>
  <direction>Inbound</direction>
  <connector>{AE4DB4CC-B16B-4EB2-ACF5-837CA84E4D7D}</connector>
  <sourceObjectType>user</sourceObjectType>
  <targetObjectType>person</targetObjectType>
  <linkType>Join</linkType>
  <precedence>50</precedence>
  <!-- more -->
</synchronizationRule>";

/// A rule with more in it; the first line of that is line 10.
fn rule_with(more: &str) -> String {
    RULE.replace("<!-- more -->", more)
}

fn read(text: &str) -> Result<Option<Export>, Unreadable> {
    read_text(text, Path::new("export.xml"))
}

fn export(text: &str) -> Export {
    read(text).unwrap().unwrap()
}

fn rule(text: &str) -> Rule {
    export(text).rules.pop().unwrap()
}

fn remarks(export: &Export) -> String {
    export.remarks.iter().fold(String::new(), |mut text, remark| {
        let file = remark.place.file.file_name().unwrap().to_string_lossy();
        writeln!(text, "{file}:{}: {}", remark.place.line, remark.text).unwrap();
        text
    })
}

/// The text of an error with its hint.
fn refused(text: &str, expected: Expect) {
    let error = read(text).unwrap_err();
    expected.assert_eq(&format!("{error}\n{}\n", error.hint.as_deref().unwrap_or_default()));
}

/// What a rule writes, a line each.
fn flows(more: &str, expected: Expect) {
    let rule = rule(&rule_with(&format!("<attribute-mappings>{more}</attribute-mappings>")));
    let lines = rule.flows.iter().map(|flow| {
        let once = if flow.once { " once" } else { "" };
        format!("{}: {} <- {:?} {:?}{once}\n", flow.place.line, flow.to, flow.from, flow.merge)
    });
    expected.assert_eq(&lines.collect::<String>());
}

#[test]
fn a_rule_says_no_more_than_it_must() {
    let rule = rule(RULE);
    assert_eq!(rule.id, "11111111-aaaa-0000-0000-000000000001");
    assert_eq!(rule.connector, "ae4db4cc-b16b-4eb2-acf5-837ca84e4d7d");
    assert_eq!((rule.direction, rule.link, rule.precedence), (Direction::Inbound, Link::Join, 50));
    assert_eq!((rule.directory_type.as_str(), rule.metaverse_type.as_str()), ("user", "person"));
    assert_eq!((rule.tag, rule.soft_delete, rule.before, rule.after), (None, None, None, None));
    assert!(!rule.disabled && !rule.password_sync && !rule.by_reference);
    assert!(rule.scope.is_empty() && rule.joins.is_empty() && rule.flows.is_empty());
    assert_eq!(rule.place.to_string(), "export.xml:1");
}

#[test]
fn an_outbound_rule_has_its_sides_the_other_way_round() {
    let rule = rule(&RULE.replace("Inbound", "Outbound"));
    assert_eq!((rule.directory_type.as_str(), rule.metaverse_type.as_str()), ("person", "user"));
}

#[test]
fn what_a_rule_may_say_beside() {
    let text = rule_with(
        "<description>Joins &amp; flows</description><immutable-tag>Microsoft.InfromHR.003</immutable-tag>
        <softDeleteExpiryInterval>30.00:00:00</softDeleteExpiryInterval><EnablePasswordSync>true</EnablePasswordSync>
        <precedence-before>{22222222-0000-0000-0000-00000000000F}</precedence-before>
        <precedence-after>{00000000-0000-0000-0000-000000000000}</precedence-after>",
    );
    let read = rule(&text);
    assert_eq!((read.description.as_str(), read.tag.as_deref()), ("Joins & flows", Some("Microsoft.InfromHR.003")));
    assert_eq!(read.soft_delete.as_deref(), Some("30.00:00:00"));
    assert_eq!((read.before.as_deref(), read.after), (Some("22222222-0000-0000-0000-00000000000f"), None));
    assert!(read.password_sync);
    assert_eq!(rule(&RULE.replace(">Join<", ">StickyJoin<")).link, Link::StickyJoin);
    assert_eq!(rule(&RULE.replace(">Join<", ">Provision<")).link, Link::Provision);
    for nothing in ["00:00:00", "0", "0.00:00:00.0000000", "PT0S"] {
        let text = rule_with(&format!("<softDeleteExpiryInterval>{nothing}</softDeleteExpiryInterval>"));
        assert_eq!(rule(&text).soft_delete, None);
    }
    for (text, disabled) in [("True", true), ("true", true), ("1", true), ("False", false), ("0", false), ("", false)] {
        assert_eq!(rule(&rule_with(&format!("<disabled>{text}</disabled>"))).disabled, disabled);
    }
}

#[test]
fn which_of_the_three_a_flow_is() {
    flows(
        "
        <mapping><dest>mail</dest><src><attr>mail</attr></src><valueMergeType>Update</valueMergeType></mapping>
        <mapping><dest>enabled</dest><src>
          True
        </src><valueMergeType>Replace</valueMergeType></mapping>
        <mapping execute-once='true'><dest>a</dest><src><attr>b</attr><attr>c</attr></src><expression>[b] &amp; [c]</expression></mapping>
        <mapping><dest>p</dest><src><attr>p</attr></src><expression /><valueMergeType>Merge</valueMergeType></mapping>
        <mapping><dest>q</dest><src/><expression><![CDATA[ [q] & 1 ]]></expression><valueMergeType>MergeCaseInsensitive</valueMergeType></mapping>",
        expect![[r#"
            11: mail <- Direct("mail") Update
            12: enabled <- Constant("True") Update
            15: a <- Expression("[b] & [c]") Update once
            16: p <- Direct("p") Merge
            17: q <- Expression(" [q] & 1 ") MergeCaseInsensitive
        "#]],
    );
}

#[test]
fn an_expression_stands_where_its_first_character_does() {
    flows(
        "<mapping><dest>a</dest><expression>

  Trim(
    [a])
</expression></mapping>
<mapping><dest>b</dest><expression>&#xD;&#10;
\t&#91;b]</expression></mapping><mapping><dest>c</dest><expression><!-- no -->
<![CDATA[
[c]]]></expression></mapping>",
        expect![[r#"
            12: a <- Expression("\n\n  Trim(\n    [a])\n") Update
            16: b <- Expression("\n\n\t[b]") Update
            18: c <- Expression("\n\n[c]") Update
        "#]],
    );
}

#[test]
fn a_flow_that_writes_twice_or_nothing_is_told_of() {
    let mapping = "<mapping><dest>mail</dest><src><attr>mail</attr></src></mapping>";
    let text = format!(
        "<attribute-mappings>{mapping}\n{}\n<mapping><dest>x</dest><src/></mapping></attribute-mappings>",
        mapping.replace(">mail</dest>", ">Mail</dest>")
    );
    let export = export(&rule_with(&text));
    assert_eq!(export.rules.first().unwrap().flows.len(), 2);
    expect![[r#"
        export.xml:11: the rule `In from HR` has more than one flow to `Mail`
        export.xml:12: the flow to `x` in the rule `In from HR` has no source, and is left out
    "#]]
    .assert_eq(&remarks(&export));
}

#[test]
fn a_password_in_a_flow_is_left_out() {
    let mapping =
        "<attribute-mappings><mapping><dest>unicodePwd</dest><src>Secret.1</src></mapping></attribute-mappings>";
    let export = export(&rule_with(mapping));
    assert!(remarks(&export).contains("the flow to `unicodePwd`") && remarks(&export).contains("holds a password"));
    assert!(!format!("{export:?}").contains("Secret.1"));
}

#[test]
fn a_flow_from_several_attributes_is_refused() {
    let mapping = "<attribute-mappings>\n<mapping><dest>mail</dest>\n<src><attr>a</attr><attr>b</attr></src></mapping></attribute-mappings>";
    refused(
        &rule_with(mapping),
        expect![[r#"
            export.xml:12: the flow to `mail` in the rule `In from HR` takes several attributes: `a`, `b`
            without an expression a flow takes one
        "#]],
    );
}

#[test]
fn groups_stay_in_order() {
    let text = rule_with(
        "<synchronizationCriteria>
        <conditions><scope><csAttribute>a</csAttribute><csOperator>EQUAL</csOperator><csValue> x </csValue></scope>
          <scope><csAttribute>b</csAttribute><csOperator>ISNULL</csOperator><csValue/></scope></conditions>
        <conditions />
        <conditions><scope><csAttribute>c</csAttribute><csOperator>EQUAL</csOperator><csValue>%Connector.ID%</csValue></scope></conditions>
        </synchronizationCriteria><relationshipCriteria>
        <conditions><condition><csAttribute>objectSid</csAttribute><ilmAttribute>sid</ilmAttribute><caseSensitive>True</caseSensitive></condition>
          <condition><csAttribute>c</csAttribute><ilmAttribute>country</ilmAttribute></condition></conditions>
        <conditions><condition><csAttribute>mail</csAttribute><ilmAttribute>mail</ilmAttribute></condition></conditions>
        </relationshipCriteria>",
    );
    let export = export(&text);
    let rule = export.rules.first().unwrap();
    let clauses = rule.scope.iter().map(|group| {
        group.iter().map(|clause| format!("{} {} `{}`; ", clause.attribute, clause.operator, clause.value)).collect()
    });
    let keys = rule.joins.iter().map(|group| {
        group.iter().map(|key| format!("{} = {} {}; ", key.directory, key.metaverse, key.case_sensitive)).collect()
    });
    expect![[r#"
        a EQUAL ` x `; b ISNULL ``; 
        c EQUAL `%Connector.ID%`; 
        objectSid = sid true; c = country false; 
        mail = mail false; 
    "#]]
    .assert_eq(&(clauses.chain(keys).collect::<Vec<String>>().join("\n") + "\n"));
    expect![[r#"
        export.xml:13: a group in `<synchronizationCriteria>` of the rule `In from HR` has no conditions, and is left out
    "#]]
    .assert_eq(&remarks(&export));
}

#[test]
fn a_rule_that_cannot_be_understood_is_refused() {
    for (from, to) in [
        ("<name>In from HR</name>", ""),
        ("<direction>Inbound</direction>", ""),
        ("user", " "),
        (">Inbound<", ">Sideways<"),
        (">Join<", ">Weld<"),
        (">50<", ">high<"),
        ("<!-- more -->", "<disabled>perhaps</disabled>"),
        ("<!-- more -->", "<attribute-mappings><mapping><src>1</src></mapping></attribute-mappings>"),
    ] {
        assert!(read(&RULE.replace(from, to)).is_err(), "{from} as {to}");
    }
    refused(
        &RULE.replace(">Join<", ">Weld<"),
        expect![[r#"
            export.xml:8: `<linkType>` is `Weld` in the rule `In from HR`
            it is `Join`, `Provision` or `StickyJoin`
        "#]],
    );
    refused(
        &RULE.replace("<direction>Inbound</direction>", ""),
        expect![[r#"
            export.xml:1: there is no `<direction>` in the rule `In from HR`
            it is `Inbound` or `Outbound`
        "#]],
    );
}

#[test]
fn many_rules_in_one_file_are_put_in_order() {
    let second = RULE.replace(">50<", ">49<").replace("In from HR", "A").replace("0001}", "0002}");
    let third = RULE.replace("In from HR", "B").replace("<!-- more -->", "<novelty>yes</novelty>");
    let export =
        export(&format!("<?xml version='1.0' encoding='utf-16'?>\n<SyncRules>{RULE}{second}{third}</SyncRules>"));
    let names: Vec<_> = export.rules.iter().map(|rule| (rule.precedence, rule.name.as_str())).collect();
    assert_eq!(names, [(49, "A"), (50, "B"), (50, "In from HR")]);
    expect![[r#"
        export.xml:31: `<novelty>` in `<synchronizationRule>` is not known, and left out
        export.xml:2: the rule `In from HR` has the id `11111111-aaaa-0000-0000-000000000001`, which another rule has too
    "#]]
    .assert_eq(&remarks(&export));
}

#[test]
fn a_folder_is_found_from_above_and_from_inside() {
    let folder = tempfile::tempdir().unwrap();
    assert!(read_folder(folder.path()).unwrap().is_none());
    let exported = folder.path().join("Exported-ServerConfiguration-1");
    let rules = exported.join("synchronizationrules");
    fs::create_dir_all(&rules).unwrap();
    let wide: Vec<u8> =
        format!("\u{feff}{RULE}").replace('\n', "\r\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(rules.join("SynchronizationRule_{1}.XML"), wide).unwrap();
    fs::write(rules.join("notes.txt"), "not a rule").unwrap();
    for place in [folder.path(), &exported] {
        assert_eq!(read_folder(place).unwrap().unwrap().rules.len(), 1);
    }
    fs::write(rules.join("b.xml"), "This is a note").unwrap();
    assert_eq!(read_folder(&exported).unwrap_err().message, "this is not XML");
    fs::remove_file(rules.join("b.xml")).unwrap();
    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("SynchronizationRule_2.xml"), RULE).unwrap();
    assert_eq!(read_folder(&other).unwrap().unwrap().rules.len(), 1);
    assert!(read_folder(folder.path()).unwrap_err().message.starts_with("there are several exports in it: `"));
    assert!(
        read_folder(&folder.path().join("nothing")).unwrap_err().message.starts_with("the folder cannot be read: ")
    );
}
