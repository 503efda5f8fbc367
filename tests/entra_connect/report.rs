//! The report of `syncline import-entra-connect` about rules with mistakes, as people meet it: on the screen, as Markdown,
//! as a page. `UPDATE_EXPECT=1` writes `tests/transcripts/` anew.

use std::fs;
use std::path::Path;
use std::process::Command;

use expect_test::expect_file;

const CONTOSO: &str = "aaaaaaaa-0000-0000-0000-000000000001";
const FABRIKAM: &str = "aaaaaaaa-0000-0000-0000-000000000002";
const TENANT: &str = "b891884f-051e-4a83-95af-2544101c9083";
const HOSTILE: &str = "In from AD - <script>alert(1)</script> | @all `x`";

/// A flow: the attribute, and an expression, or the name of an attribute.
type Flow<'a> = (&'a str, &'a str);

/// Flows with a mistake each, as they are met on web pages.
const MISTAKEN: [Flow<'_>; 13] = [
    ("sourceAnchor", "ConvertToBase64([objectGUID])"),
    ("title", "=title"),
    ("displayName", "Trim([displayName])"),
    ("department", r#"IF(IsPresent([department]), [department], "none")"#),
    ("mail", "ToLower([mail])"),
    ("city", r#"IIF(IsPresent([l]), Trim([l], "none")"#),
    ("postalCode", "IIF(IsPresent([postalCode]), Trim([postalCode]"),
    ("company", "IIF([co] = “DE”, \"Contoso GmbH\", \"Contoso | Ltd\")"),
    ("state", "Left([st], )"),
    ("streetAddress", r#"Concatenate([streetAddress], ", ", [l])"#),
    ("mobile", r#"Replace([mobile] " ", "")"#),
    (
        "employeeType",
        "IIF(Left([sAMAccountName], 4) = \"ext-\", \"external\",\n  IIF(Left([sAMAccountName], 4) = \"svc-\", \"service\",\n    IIF(IsNullorEmpty([employeeID]), \"unknown\", \"internal\")))",
    ),
    (
        "info",
        r#"IIF(IsPresent([info]), [info], IIF(IsPresent([description]), "see the description", IIF(IsPresent([title]), "no description", Nothing)))"#,
    ),
];

/// A rule as the editor of Entra Connect exports it.
fn rule(name: &str, precedence: u8, connector: &str, scope: &str, flows: &[Flow<'_>]) -> String {
    let outbound = connector == TENANT;
    let (direction, from, to, link) =
        if outbound { ("Outbound", "person", "user", "Join") } else { ("Inbound", "user", "person", "Provision") };
    let mut text = format!(
        "New-ADSyncRule `\n-Name '{name}' `\n-Identifier '11111111-1111-1111-1111-111111111{precedence:03}' `\n\
         -Direction '{direction}' `\n-Precedence {precedence} `\n-SourceObjectType '{from}' `\n-TargetObjectType '{to}' `\n\
         -Connector '{connector}' `\n-LinkType '{link}' `\n-OutVariable syncRule\n\n"
    );
    for (to, from) in flows {
        let source = match from.strip_prefix('=') {
            Some(name) => format!("-Source @('{name}') -FlowType 'Direct'"),
            None => format!("-FlowType 'Expression' -Expression '{from}'"),
        };
        text += &format!(
            "Add-ADSyncAttributeFlowMapping -SynchronizationRule $syncRule[0] {source} -Destination '{to}' -ValueMergeType 'Update' -OutVariable syncRule\n"
        );
    }
    let made = "-TypeName 'Microsoft.IdentityManagement.PowerShell.ObjectModel";
    text += &format!(
        "\nNew-Object {made}.ScopeCondition' -ArgumentList {scope} -OutVariable condition0\n\
         Add-ADSyncScopeConditionGroup -SynchronizationRule $syncRule[0] -ScopeConditions @($condition0[0]) -OutVariable syncRule\n"
    );
    if !outbound {
        text += &format!(
            "New-Object {made}.JoinCondition' -ArgumentList 'objectSid','objectSid',$false -OutVariable condition0\n\
             Add-ADSyncJoinConditionGroup -SynchronizationRule $syncRule[0] -JoinConditions @($condition0[0]) -OutVariable syncRule\n"
        );
    }
    text + "Add-ADSyncRule -SynchronizationRule $syncRule[0]\n\n"
}

fn sample() -> String {
    let odd = ("displayName", r#"[givenName] & " ``" & [sn] + "|""#);
    [
        rule("In from AD - User Own", 50, CONTOSO, "'department','Hidden','NOTEQUAL'", &MISTAKEN),
        rule(HOSTILE, 60, FABRIKAM, "'userAccountControl','two','ISBITSET'", &[("title", "=title"), odd]),
        rule(
            "Out to AAD - User Own",
            150,
            TENANT,
            "'sourceAnchor','','ISNOTNULL'",
            &[("title", "=title"), ("msExchArchiveName", "=title"), ("thumbnailPhoto", "=thumbnailPhoto")],
        ),
    ]
    .concat()
}

/// Runs the program in a folder; gives everything that it says.
fn run(folder: &Path, arguments: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_syncline"));
    let output = command.args(arguments.split_whitespace()).current_dir(folder).env_clear().output().unwrap();
    let marked = |mark: &str, bytes: &[u8]| -> String {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.lines().map(|line| format!("{mark}| {line}").trim_end().to_owned() + "\n").collect()
    };
    let code = output.status.code().unwrap();
    let (out, err) = (marked("out", &output.stdout), marked("err", &output.stderr));
    format!("$ syncline {arguments}\n{out}{err}exit {code}\n")
}

#[test]
fn mistakes_are_told_on_the_screen_and_in_markdown() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules.ps1"), sample()).unwrap();
    let named = format!("--connector {CONTOSO}=ad-contoso --connector {FABRIKAM}=ad-fabrikam");
    let transcript = [
        run(folder.path(), &format!("import-entra-connect rules.ps1 --out new {named}")),
        run(folder.path(), "import-entra-connect rules.ps1 --out other --connector fabrikam.com=ad"),
        run(folder.path(), "import-entra-connect rules.ps1 --out new"),
    ];
    expect_file!["../transcripts/import-entra-connect.txt"].assert_eq(&transcript.join("\n"));
    let report = fs::read_to_string(folder.path().join("new/report.md")).unwrap();
    expect_file!["../transcripts/import-report.md"].assert_eq(&report);
    every_link_leads_somewhere(&folder.path().join("new"), &report);
}

/// `](rules/x.rhai#L12)`: the file is there, and has that line.
fn every_link_leads_somewhere(folder: &Path, report: &str) {
    let links = report.split("](rules/").skip(1).filter_map(|rest| rest.split(')').next());
    let mut count = 0;
    for link in links {
        let (file, line) = link.split_once("#L").unwrap_or((link, "1"));
        let text = fs::read_to_string(folder.join("rules").join(file)).unwrap();
        assert!(text.lines().count() >= line.parse().unwrap(), "{link}");
        count += 1;
    }
    assert!(count > 20, "{count} links");
}

#[test]
fn the_page_shows_what_others_wrote_as_text() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules.ps1"), sample()).unwrap();
    run(folder.path(), "import-entra-connect rules.ps1 --out new");
    let page = fs::read_to_string(folder.path().join("new/report.html")).unwrap();
    assert!(page.contains("Content-Security-Policy\" content=\"default-src 'none'"));
    assert!(!page.contains("<script>alert"), "the name of a rule is mark-up");
    assert!(page.contains("\\u003cscript>alert(1)"));
    assert!(!page.contains("http:") && !page.contains("https:"));
    assert_eq!(page.matches("</script>").count(), 2);
    assert!(!page.contains("__DATA__"));
    let there = folder.path().display().to_string();
    assert!(!page.contains(&there), "a path of this machine is in the page");
}

#[test]
fn attributes_that_were_not_imported_are_remarks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.ps1");
    fs::write(&path, sample()).unwrap();
    let mut export = syncline::entra_connect::read(&path).unwrap();
    for connector in &mut export.connectors {
        if connector.id == FABRIKAM {
            connector.selected = ["objectSid", "Title", "sn"].map(str::to_owned).to_vec();
        }
    }
    let conversion = syncline::entra_connect::convert(&export, &[].into());
    let report = syncline::entra_connect::report(&export, &conversion);
    let missing = report.remarks.iter().filter(|remark| remark.contains("was not imported"));
    let names: Vec<&str> = missing.filter_map(|remark| remark.split('`').nth(1)).collect();
    assert_eq!(names, ["givenName", "userAccountControl"]);
}

#[test]
fn the_same_configuration_gives_the_same_report() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules.ps1"), sample()).unwrap();
    for out in ["one", "two"] {
        run(folder.path(), &format!("import-entra-connect rules.ps1 --out {out}"));
    }
    for name in ["report.md", "report.html"] {
        let read = |out: &str| fs::read(folder.path().join(out).join(name)).unwrap();
        assert!(read("one") == read("two"), "{name} differs");
    }
}
