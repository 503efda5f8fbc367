//! Changes that others make in the tenant are followed, too: what rules say comes back, and a group is not read again for
//! its members.

use std::time::{Duration, Instant};

use syncline::connector::graph::{Graph, Settings};
use syncline::connector::{Anchor, ExportAction, ExportItem, ExportOutcome};
use syncline::value::Value;
use uuid::Uuid;

use crate::lag::{Serving, log, tenant};
use crate::world::{Kind, World, follow, image, read_everything, users};

fn write(world: &World, object_type: &str, action: ExportAction) {
    let other = Graph::new(Settings::for_emulator(&world.emulator.base_url, "contoso.com")).unwrap();
    let (sender, mut receiver) = tokio::sync::mpsc::channel(10);
    let items = vec![ExportItem::new(Uuid::nil(), object_type, action)];
    world.runtime.block_on(other.export(items, sender)).unwrap();
    let (_, _, outcome) = receiver.blocking_recv().unwrap();
    assert!(
        matches!(&outcome, ExportOutcome::Done { .. })
            || matches!(&outcome, ExportOutcome::References { refused, .. } if refused.is_empty()),
        "{outcome:?}"
    );
}

#[test]
fn what_others_do_in_the_tenant_is_noticed_and_put_right() {
    let kind = Kind::Slapd("auto");
    let directory = World::generated(kind, 40, 4);
    let world = World::start(kind, 65, &directory);
    let mut session = world.session("state");
    read_everything(&mut session);
    let at_first = image(&session, "entra");
    let titled = |(_, lines): &(&String, &Vec<String>)| lines.iter().any(|line| line.starts_with("jobTitle"));
    let users: Vec<Anchor> = at_first.iter().filter(titled).map(|(anchor, _)| Anchor(anchor.clone())).collect();
    let user = users[0].clone();
    let group = at_first.iter().find(|(_, lines)| lines.iter().any(|line| line.starts_with("members"))).unwrap();
    let stranger = users.iter().find(|user| !group.1.iter().any(|line| line.contains(&user.0))).unwrap().clone();
    let group = Anchor(group.0.clone());

    let attributes = [("jobTitle".into(), vec![Value::Text("Emperor".into())])].into();
    write(&world, "user", ExportAction::Update { anchor: user.clone(), attributes });
    let (report, whole) = follow(&mut session, &["ldap", "entra"]);
    assert_eq!(whole, []);
    assert_eq!((report.imports.len(), report.imports[0].changed), (1, 1), "{:?}", report.imports);
    assert_eq!(report.exports[0].updated, 1, "{:?}", report.exports);
    assert_eq!(image(&session, "entra"), at_first, "the title is what the rules say");

    let members = |targets: Vec<Anchor>| ExportAction::AddReferences {
        anchor: group.clone(),
        attribute: "members".into(),
        targets,
    };
    write(&world, "group", members(vec![stranger.clone()]));
    let (report, _) = follow(&mut session, &["ldap", "entra"]);
    assert!(report.imports.iter().all(|import| import.objects <= 1), "{:?}", report.imports);

    write(&world, "user", ExportAction::Delete { anchor: user.clone() });
    let (report, _) = follow(&mut session, &["ldap", "entra"]);
    assert_eq!(report.imports[0].gone, 1, "{:?}", report.imports);
    assert_eq!(report.exports[0].restored + report.exports[0].created, 1, "{:?}", report.exports);

    let (report, _) = follow(&mut session, &["ldap", "entra"]);
    assert_eq!(report.exports.iter().map(|export| export.written()).sum::<u64>(), 0, "it is settled: {report:?}");
}

#[test]
fn a_long_wait_that_graph_asked_for_outlives_a_restart() {
    let kind = Kind::Slapd("auto");
    let world = World::start(kind, 69, &World::generated(kind, 20, 1));
    let mut session = world.session("state");
    read_everything(&mut session);
    let name = world.server.search("OU=Sales,OU=People,DC=contoso,DC=test", "(uid=*)", &["1.1"]).remove(0);
    let name = name.strip_prefix("dn: ").unwrap().to_owned();
    world.modify(&format!("dn: {name}\nchangetype: modify\nreplace: title\ntitle: Later\n\n"));
    let closed_until = |session: &mut syncline::run::session::Session, at: i64| {
        let mut draft = session.store.draft();
        draft.put_fact("closed/entra", &at).unwrap();
        let writes = draft.finish();
        session.store.commit(writes).unwrap();
    };
    let now = jiff::Timestamp::now().as_second();
    closed_until(&mut session, now + 3_600);
    session.close().unwrap();
    let mut session = world.session("state");
    let (report, _) = follow(&mut session, &["ldap", "entra"]);
    assert_eq!((report.exports[0].written(), report.exports[0].closed_until), (0, Some(now + 3_600)));
    closed_until(&mut session, now - 1);
    let (report, _) = follow(&mut session, &["ldap", "entra"]);
    assert_eq!((report.exports[0].updated, report.exports[0].closed_until), (1, None), "{:?}", report.exports);
}

/// Graph tells of a new object at once, and for a while most of its copies do not know it.
#[test]
fn who_is_told_of_and_not_shown_yet_is_looked_for_again() {
    let kind = Kind::Slapd("auto");
    let world = World::with(kind, 73, &World::generated(kind, 20, 1), |tenant| tenant.replication_delay_ms = 4_000);
    let mut session = world.session("state");
    read_everything(&mut session);
    std::thread::sleep(Duration::from_millis(4_100));
    follow(&mut session, &["ldap", "entra"]);
    let text = |name: &str, text: &str| (name.into(), vec![Value::Text(text.into())]);
    let attributes = [
        text("userPrincipalName", "guest@contoso.com"),
        text("displayName", "Guest"),
        text("mailNickname", "guest"),
        ("accountEnabled".into(), vec![Value::Boolean(true)]),
        ("password".into(), vec![Value::Password(24)]),
    ];
    let attributes = attributes.into();
    write(&world, "user", ExportAction::Create { attributes, references: [].into(), match_key: None });
    let (report, whole) = follow(&mut session, &["entra"]);
    assert_eq!((report.imports[0].new, whole.len()), (0, 0), "nobody shows it yet: {:?}", report.imports);
    std::thread::sleep(Duration::from_millis(4_100));
    let (report, _) = follow(&mut session, &["entra"]);
    assert_eq!(report.imports[0].new, 1, "{:?}", report.imports);
    let (report, _) = follow(&mut session, &["entra"]);
    assert!(report.imports.is_empty(), "it is not looked for any more: {:?}", report.imports);
}

/// More than a cycle takes in, of what we read and do not write: nothing of ours goes out meanwhile that would show it.
#[test]
fn many_changes_by_others_are_taken_in_while_serving() {
    const MANY: usize = 2_100;
    let kind = Kind::Slapd("auto");
    let world = World::start(kind, 74, &World::generated(kind, MANY * 5 / 4, 1));
    let mut serving = Serving::start(&world);
    let begun = Instant::now();
    while !log(&world).contains("run 1:") {
        assert!(begun.elapsed() < Duration::from_secs(300), "{}", log(&world));
        std::thread::sleep(Duration::from_millis(200));
    }
    std::thread::sleep(Duration::from_secs(2));
    let other = tenant(&world);
    let users = users(&world.runtime, &other, "mail");
    assert!(users.len() > MANY, "{}", users.len());
    let items: Vec<ExportItem> = users
        .iter()
        .take(MANY)
        .enumerate()
        .map(|(at, user)| {
            let attributes = [("mail".into(), vec![Value::Text(format!("other{at}@contoso.com"))])].into();
            ExportItem::new(Uuid::nil(), "user", ExportAction::Update { anchor: user.anchor.clone(), attributes })
        })
        .collect();
    world.runtime.block_on(async {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(10_000);
        other.export(items, sender).await.unwrap();
        while let Ok((_, _, outcome)) = receiver.try_recv() {
            assert!(matches!(outcome, ExportOutcome::Done { .. }), "{outcome:?}");
        }
    });
    // It is asked every 30 seconds; all of it is taken in at once then.
    std::thread::sleep(Duration::from_secs(40));
    serving.end();
    let session = world.session("state");
    let other = |lines: &&Vec<String>| lines.iter().any(|line| line.contains("other"));
    assert_eq!(image(&session, "entra").values().filter(other).count(), MANY, "{}", log(&world));
    session.close().unwrap();
}
