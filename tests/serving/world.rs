//! A deployment on a real LDAP server and the emulator, as a library; and what its connector space says of the server.

use std::collections::BTreeMap;
use std::path::Path;

use syncline::config::Config;
use syncline::connector::graph::Graph;
use syncline::connector::{ImportEvent, ImportRequest, ImportedObject};
use syncline::connector_space::{ConnectorObject, ObjectId};
use syncline::emulator;
use syncline::run::Silent;
use syncline::run::changes::{self, News};
use syncline::run::cycle::{self, CycleReport, Permissions};
use syncline::run::reading::Reading;
use syncline::run::session::Session;
use syncline::sync::ledger::View as _;

use crate::server::Server;

pub(crate) const BASE: &str = "DC=contoso,DC=test";

/// Which server, and how its changes are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Samba(&'static str),
    Slapd(&'static str),
}

/// A number from the environment.
pub(crate) fn number(name: &str, otherwise: u32) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Rules for both kinds: people with a manager, groups with members. Accounts of an OpenLDAP server that is not alone begin
/// otherwise.
pub(crate) fn rules_of(kind: Kind, connector: &str) -> [(String, String); 4] {
    let (person, anchor, group) = match kind {
        Kind::Samba(_) => ("user", "base64(user.objectGUID)", "group"),
        Kind::Slapd(_) => ("inetOrgPerson", "user.entryUUID", "groupOfNames"),
    };
    let group_anchor = anchor.replace("user.", "group.");
    let account = match (kind, connector) {
        (Kind::Samba(_), _) => "user.sAMAccountName",
        (Kind::Slapd(""), _) => "\"l-\" + first(user.uid)",
        (Kind::Slapd(_), _) => "first(user.uid)",
    };
    let one = |name: &str| match kind {
        Kind::Samba(_) => name.to_owned(),
        Kind::Slapd(_) => format!("first({name})"),
    };
    [
        (
            format!("in-{connector}-user.rhai"),
            format!(
                "const rule = #{{ from: \"{connector}/{person}\", to: \"metaverse/person\", link: \"project\", precedence: 100 }};\n\
                 fn scope(user) {{ {account} != () }}\n\
                 fn join(user) {{ [ #{{ sourceAnchor: exact({anchor}) }} ] }}\n\
                 fn flow(user) {{ #{{ sourceAnchor: {anchor}, account: lower({account}), displayName: user.displayName ?? {cn},\n\
                 title: {title}, manager: user.manager }} }}\n",
                cn = one("user.cn"),
                title = one("user.title"),
            ),
        ),
        (
            format!("in-{connector}-group.rhai"),
            format!(
                "const rule = #{{ from: \"{connector}/{group}\", to: \"metaverse/group\", link: \"project\", precedence: 100 }};\n\
                 fn scope(group) {{ !starts_with({cn}, \"private\") }}\n\
                 fn join(group) {{ [ #{{ sourceAnchor: exact({group_anchor}) }} ] }}\n\
                 fn flow(group) {{ #{{ sourceAnchor: {group_anchor}, displayName: {cn}, member: group.member }} }}\n",
                cn = one("group.cn"),
            ),
        ),
        (
            "out-user.rhai".to_owned(),
            "const rule = #{ from: \"metaverse/person\", to: \"entra/user\", link: \"provision\", precedence: 100 };\n\
             fn join(person) { [ #{ onPremisesImmutableId: exact(person.sourceAnchor) } ] }\n\
             fn flow(person) { #{ onPremisesImmutableId: person.sourceAnchor, userPrincipalName: person.account + \"@contoso.com\",\n\
             mailNickname: person.account, accountEnabled: true, displayName: person.displayName, jobTitle: person.title,\n\
             manager: person.manager } }\n"
                .to_owned(),
        ),
        (
            "out-group.rhai".to_owned(),
            "const rule = #{ from: \"metaverse/group\", to: \"entra/group\", link: \"provision\", precedence: 100 };\n\
             fn join(group) { [ #{ uniqueName: exact(group.sourceAnchor) } ] }\n\
             fn flow(group) { #{ uniqueName: group.sourceAnchor, displayName: group.displayName, mailEnabled: false,\n\
             mailNickname: left(group.sourceAnchor, 20), securityEnabled: true, members: group.member } }\n"
                .to_owned(),
        ),
    ]
}

/// An account without rights of its own, with a password.
fn reader(password: &str) -> String {
    use base64::Engine as _;
    let quoted: Vec<u8> = format!("\"{password}\"").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let encoded = base64::engine::general_purpose::STANDARD.encode(quoted);
    format!(
        "dn: CN=reader,CN=Users,{BASE}\nobjectClass: user\nsAMAccountName: reader\nunicodePwd:: {encoded}\n\
         userAccountControl: 512\n\n"
    )
}

/// The deployment. Its emulator belongs to the test, and keeps its address.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) server: Server,
    pub(crate) emulator: emulator::Emulator,
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) kind: Kind,
    throttle: emulator::Throttling,
}

impl World {
    /// Starts a server with what it holds (LDIF), and the emulator.
    pub(crate) fn start(kind: Kind, number: u32, directory: &str) -> World {
        World::with(kind, number, directory, |_| {})
    }

    /// The same, with an emulator that is set otherwise.
    pub(crate) fn with(kind: Kind, number: u32, directory: &str, set: impl FnOnce(&mut emulator::Settings)) -> World {
        let folder = tempfile::tempdir().unwrap();
        let server = match kind {
            Kind::Samba(_) => {
                let server = Server::start("samba-ad", number, &[], &[]);
                server.client("ldapadd", &[], directory);
                if kind == Kind::Samba("restricted") {
                    server.client("ldapadd", &[], &reader(server.fact("BIND_PASSWORD")));
                }
                server
            }
            Kind::Slapd(way) => {
                let ldif = folder.path().join("directory.ldif");
                std::fs::write(&ldif, directory).unwrap();
                let sync = if way == "timestamps" { "off" } else { "on" };
                Server::start(
                    "slapd",
                    number,
                    &[ldif.to_str().unwrap()],
                    &[("SLAPD_SYNC", sync), ("SLAPD_REFINT", "on")],
                )
            }
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let mut settings = emulator::Settings::for_tenant("contoso.com", Some(folder.path().join("tenant")));
        set(&mut settings);
        let throttle = settings.throttle;
        let emulator = runtime.block_on(emulator::start(settings)).unwrap();
        let world = World { folder, server, emulator, runtime, kind, throttle };
        std::fs::create_dir(world.path("rules")).unwrap();
        for (name, text) in rules_of(kind, "ldap") {
            std::fs::write(world.path("rules").join(name), text).unwrap();
        }
        std::fs::write(world.path("password"), world.server.fact("BIND_PASSWORD")).unwrap();
        std::fs::write(world.path("secret"), "emulator-secret").unwrap();
        world.configure("state");
        world
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the configuration, with the state in this folder.
    pub(crate) fn configure(&self, state: &str) {
        let (kind, way) = match self.kind {
            Kind::Samba("restricted") => ("active-directory", "dirsync"),
            Kind::Samba(way) => ("active-directory", way),
            Kind::Slapd(way) => ("openldap", way),
        };
        // As the emulator counts.
        let writes = match self.throttle {
            emulator::Throttling::Factor(factor) => format!("{:.0}", 3_000.0 * factor),
            emulator::Throttling::Off => "0".to_owned(),
        };
        let config = format!(
            "[connector.ldap]\nkind = '{kind}'\nurl = '{}'\nca_file = '{}'\nbind_dn = '{}'\npassword = 'file:{}'\n\
             include = ['OU=People,{BASE}', 'OU=Groups,{BASE}']\nexclude = ['OU=Legal,OU=People,{BASE}']\nchanges = '{way}'\nsweep = 0\n\
             [connector.entra]\nkind = 'entra'\ntenant = 'contoso.com'\nclient_id = '00001111-aaaa-2222-bbbb-3333cccc4444'\n\
             client_secret = 'file:{}'\nlogin_url = '{url}'\ngraph_url = '{url}'\nwrites_per_150s = {writes}\nretry_pause_ms = 10\n\
             [rules]\nfolder = 'rules'\n[limits]\ndeletes = 1000\ndisables = 1000\nshrinkage = '80%'\n[store]\nfolder = '{state}'\n",
            self.server.fact("LDAPS_URL"),
            self.server.fact("CA_FILE"),
            self.account(),
            self.path("password").display(),
            self.path("secret").display(),
            url = self.emulator.base_url,
        );
        std::fs::write(self.path("syncline.toml"), config).unwrap();
    }

    /// Who signs in at the server.
    fn account(&self) -> String {
        match self.kind {
            Kind::Samba("restricted") => format!("CN=reader,CN=Users,{BASE}"),
            Kind::Samba(_) | Kind::Slapd(_) => self.server.fact("BIND_DN").to_owned(),
        }
    }

    pub(crate) fn session(&self, state: &str) -> Session {
        self.configure(state);
        let config = Config::load(&self.path("syncline.toml")).unwrap_or_else(|problems| panic!("{problems:?}"));
        Session::open(config, false).unwrap()
    }

    /// Changes the server, as administrator.
    pub(crate) fn modify(&self, ldif: &str) {
        self.server.client("ldapmodify", &["-c"], ldif);
    }

    /// A script of the tests.
    pub(crate) fn generated(kind: Kind, people: usize, groups: usize) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/gen-directory");
        let flavour: &[&str] = match kind {
            Kind::Samba(_) => &["--flavour", "ad", "--no-guid"],
            Kind::Slapd(_) => &["--flavour", "openldap"],
        };
        let (people, groups) = (people.to_string(), groups.to_string());
        let output = std::process::Command::new("python3")
            .arg(script)
            .args(flavour)
            .args(["--users", &people, "--groups", &groups, "--seed", "5"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Everybody in a tenant, with an attribute.
pub(crate) fn users(runtime: &tokio::runtime::Runtime, tenant: &Graph, attribute: &str) -> Vec<ImportedObject> {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(200_000);
    let request = ImportRequest { types: [("user".to_owned(), [attribute.into()].into())].into() };
    runtime.block_on(tenant.import(&request, sender)).unwrap();
    let mut users = Vec::new();
    while let Ok(event) = receiver.try_recv() {
        if let ImportEvent::Object(user) = event {
            users.push(*user);
        }
    }
    users
}

/// The first value of an attribute.
pub(crate) fn value(user: &ImportedObject, attribute: &str) -> Option<String> {
    user.attributes.get(&attribute.into())?.first().map(ToString::to_string)
}

/// A run that reads everything.
pub(crate) fn read_everything(session: &mut Session) -> CycleReport {
    cycle::run(session, &Permissions::default(), &Silent).unwrap()
}

/// A run that reads what changed; the number of connectors that had to be read whole.
pub(crate) fn follow(session: &mut Session, connectors: &[&str]) -> (CycleReport, Vec<(String, String)>) {
    let (mut found, mut whole) = (Vec::new(), Vec::new());
    for name in connectors {
        match changes::collect(session, name).unwrap() {
            News::Nothing => {}
            News::Changes(changes) => found.push(*changes),
            News::Everything(why) => whole.push(((*name).to_owned(), why)),
        }
    }
    let reading = Reading::News { changes: found, whole: whole.clone() };
    let report = cycle::run_towards(session, reading, None, &Permissions::default(), &Silent).unwrap();
    (report, whole)
}

/// Everything that the store knows of a connector's objects: names, values, and references by name or anchor.
pub(crate) fn image(session: &Session, connector: &str) -> BTreeMap<String, Vec<String>> {
    let draft = session.store.draft();
    let mut objects: BTreeMap<ObjectId, ConnectorObject> = BTreeMap::new();
    for object_type in session.directory(connector).unwrap().object_types() {
        draft.each_object(connector, &object_type, |object| drop(objects.insert(object.id, object))).unwrap();
    }
    let shown = |id: &ObjectId| objects.get(id).and_then(|object| object.anchor.clone()).map(|anchor| anchor.0);
    let mut image = BTreeMap::new();
    for object in objects.values().filter(|object| object.anchor.is_some()) {
        let mut lines = vec![format!("{:?} {} missing: {}", object.dn, object.object_type, object.missing)];
        lines.extend(object.image.iter().map(|(name, values)| format!("{name}: {values:?}")));
        for attribute in draft.reference_attributes(object.id).unwrap() {
            let edges = draft.edges(object.id, &attribute).unwrap();
            let seen = edges.iter().filter(|(_, edge)| edge.seen);
            let mut to: Vec<String> = seen.filter_map(|(to, _)| shown(to)).collect();
            to.sort();
            if !to.is_empty() {
                lines.push(format!("{attribute} -> {to:?}"));
            }
        }
        image.insert(object.anchor.clone().unwrap().0, lines);
    }
    image
}
