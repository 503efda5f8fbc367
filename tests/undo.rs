//! A run that is killed half way, and taken back: the target is as it was before. The built program, the emulator over
//! HTTP in this process, so that it survives.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use syncline::emulator::{self, Emulator};
use tokio::runtime::Runtime;

const PEOPLE: usize = 150;

const IN_GROUP: &str = r#"
const rule = #{ from: "ad/group", to: "metaverse/group", link: "project", precedence: 100 };
fn join(group) { [ #{ sourceAnchor: exact(base64(group.objectGUID)) } ] }
fn flow(group) { #{ sourceAnchor: base64(group.objectGUID), name: group.cn, member: group.member } }
"#;
const OUT_GROUP: &str = r#"
const rule = #{ from: "metaverse/group", to: "entra/group", link: "provision", precedence: 100 };
fn join(group) { [ #{ uniqueName: exact(group.sourceAnchor) } ] }
fn flow(group) {
    #{ uniqueName: once(group.sourceAnchor), displayName: group.name, mailNickname: "staff", securityEnabled: true, members: group.member }
}
"#;
const IN_USER: &str = r#"
const rule = #{ from: "ad/user", to: "metaverse/person", link: "project", precedence: 100, copy: ["displayName", "department", "title"] };
fn join(user) { [ #{ sourceAnchor: exact(base64(user.objectGUID)) } ] }
fn flow(user) { #{ sourceAnchor: base64(user.objectGUID), account: lower(user.sAMAccountName), manager: user.manager } }
"#;
const OUT_USER: &str = r#"
const rule = #{ from: "metaverse/person", to: "entra/user", link: "provision", precedence: 100,
    copy: ["displayName", "department", #{ jobTitle: "title" }] };
fn join(person) { [ #{ onPremisesImmutableId: exact(person.sourceAnchor) } ] }
fn flow(person) {
    #{
        onPremisesImmutableId: person.sourceAnchor, userPrincipalName: person.account + "@contoso.com",
        mailNickname: person.account, accountEnabled: true, manager: person.manager,
    }
}
"#;

/// Everybody whose number `is_there` likes, with the department, title and manager of that day.
fn directory(day: usize) -> String {
    let is_there = |number: usize| if day == 0 { number < PEOPLE - 20 } else { number % 23 != 5 };
    let anchor = |number: usize| format!("{number:08}-0000-0000-0000-000000000000");
    let dn = |number: usize| format!("CN=Person {number},DC=contoso,DC=test");
    let mut text = String::from("version: 1\n");
    let people: Vec<usize> = (0..PEOPLE).filter(|number| is_there(*number)).collect();
    for number in &people {
        let title = if (number + day).is_multiple_of(3) {
            String::new()
        } else {
            format!("title: Grade {}\n", number % 5 + day)
        };
        let manager =
            people.iter().find(|other| **other >= (number * 7 + day * 3) % PEOPLE).filter(|other| *other != number);
        let manager = manager.map(|other| format!("manager: {}\n", dn(*other))).unwrap_or_default();
        text += &format!(
            "\ndn: {}\nobjectClass: user\nobjectGUID: {}\nsAMAccountName: person{number}\ndisplayName: Person {number}, day {day}\n\
             department: {}\n{title}{manager}",
            dn(*number),
            anchor(*number),
            ["Sales", "Legal", "IT"][(number + day) % 3],
        );
    }
    text += &format!(
        "\ndn: CN=Staff,DC=contoso,DC=test\nobjectClass: group\nobjectGUID: {}\ncn: Staff {day}\n",
        anchor(9_999)
    );
    for number in people.iter().filter(|number| **number % 4 != day) {
        text += &format!("member: {}\n", dn(*number));
    }
    text
}

struct World {
    folder: tempfile::TempDir,
    emulator: Emulator,
    runtime: Runtime,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let emulator =
            runtime.block_on(emulator::start(emulator::Settings::for_tenant("contoso.onmicrosoft.com", None))).unwrap();
        let config = format!(
            "[connector.ad]\nkind = 'ldif'\nfile = 'people.ldif'\nschema = 'active-directory'\nobjects = ['user', 'group']\n\
             [connector.entra]\nkind = 'entra'\ntenant = 'contoso.onmicrosoft.com'\n\
             client_id = '00001111-aaaa-2222-bbbb-3333cccc4444'\nclient_secret = 'env:ENTRA_SECRET'\n\
             login_url = '{url}'\ngraph_url = '{url}'\nwrites_per_150s = 0\n[limits]\ndeletes = [1000, '50%']\n",
            url = emulator.base_url,
        );
        fs::create_dir(folder.path().join("rules")).unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("syncline.toml", &config);
        for (name, text) in
            [("in-user", IN_USER), ("in-group", IN_GROUP), ("out-user", OUT_USER), ("out-group", OUT_GROUP)]
        {
            write(&format!("rules/{name}.rhai"), text);
        }
        World { folder, emulator, runtime }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn show(&self, day: usize) {
        fs::write(self.path().join("people.ldif"), directory(day)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_syncline"));
        command.args(arguments).current_dir(self.path()).env("ENTRA_SECRET", "emulator-secret");
        command
    }

    fn syncline(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let talk = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}\n{talk}");
        talk
    }

    fn get(&self, path: &str) -> String {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}/_emulator/{path}", self.emulator.base_url);
        self.runtime.block_on(async { client.get(url).send().await.unwrap().text().await.unwrap() })
    }

    fn writes(&self) -> usize {
        let stats: serde_json::Value = serde_json::from_str(&self.get("stats")).unwrap();
        stats["writes"].as_u64().map_or(0, |writes| usize::try_from(writes).unwrap())
    }

    /// Everything in the tenant that is not in the recycle bin, as Graph shows it: without links into the bin.
    fn tenant(&self) -> Vec<String> {
        let parse = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        let all: Vec<serde_json::Value> = self.get("dump").lines().map(parse).collect();
        let (deleted, mut there): (Vec<_>, Vec<_>) = all.into_iter().partition(|object| object["deleted"] == true);
        let deleted: BTreeSet<String> = deleted.iter().map(|object| object["id"].to_string()).collect();
        for object in &mut there {
            let map = object.as_object_mut().unwrap();
            if map.get("manager").is_some_and(|manager| deleted.contains(&manager.to_string())) {
                map.remove("manager");
            }
            if let Some(members) = map.get_mut("members").and_then(serde_json::Value::as_array_mut) {
                members.retain(|member| !deleted.contains(&member.to_string()));
            }
        }
        there.iter().map(ToString::to_string).collect()
    }

    /// Runs, and kills the run as soon as so many writes have arrived. Gives whether it was killed before its end.
    fn run_and_kill(&self, after: usize) -> bool {
        let goal = self.writes() + after;
        let mut run = self.command(&["run"]).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        while self.writes() < goal {
            if run.try_wait().unwrap().is_some() {
                return false;
            }
        }
        run.kill().unwrap();
        run.wait().unwrap();
        true
    }
}

#[test]
fn a_run_that_was_killed_half_way_is_taken_back_to_the_letter() {
    let mut killed = 0;
    for after in [1, 40, 120, 100_000] {
        let world = World::new();
        world.show(0);
        world.syncline(&["run"]);
        let before = world.tenant();
        assert!(before.len() > PEOPLE - 21, "{}", before.len());
        world.show(1);
        killed += usize::from(world.run_and_kill(after));
        assert_ne!(world.tenant(), before, "after {after} writes");
        let talk = world.syncline(&["undo", "2", "--yes"]);
        pretty(&world.tenant(), &before, &format!("after {after} writes\n{talk}"));
    }
    assert!(killed >= 2, "only {killed} of the runs were killed before their end");
}

/// The lines that differ, not all of them.
fn pretty(is: &[String], was: &[String], what: &str) {
    let missing: Vec<&String> = was.iter().filter(|line| !is.contains(line)).take(5).collect();
    let new: Vec<&String> = is.iter().filter(|line| !was.contains(line)).take(5).collect();
    assert!(missing.is_empty() && new.is_empty(), "{what}\nmissing: {missing:#?}\nnew: {new:#?}");
}
