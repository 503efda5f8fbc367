//! A day in a few minutes: two directories change at random while servers, tenant and Syncline itself are stopped, killed and
//! started again. In the end everything has arrived, nothing is there twice, and memory and disk are what they were.
//!
//! A day takes a hundredth of its time: quotas are a hundred times as fast, and the store is maintained every minute, which
//! is fourteen times a day. `CHAOS_SECONDS=864 CHAOS_SEED=7` makes it a whole day, and another; `LAG_BINARY` as in `lag`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use syncline::emulator::{self, Emulator};

use crate::server::Server;
use crate::world::{BASE, Kind, number, read_everything, rules_of, users, value};

/// How many times as fast time passes.
const FASTER: f64 = 100.0;

/// Random numbers that are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

struct Chaos {
    folder: tempfile::TempDir,
    ad: Server,
    ldap: Server,
    runtime: tokio::runtime::Runtime,
    emulator: Option<Emulator>,
    port: u16,
    serving: Option<Child>,
    /// People who should be there, by server and number, and their titles.
    people: BTreeMap<(bool, u64), String>,
    next: u64,
}

impl Chaos {
    fn start() -> Chaos {
        let folder = tempfile::tempdir().unwrap();
        let ad = Server::start("samba-ad", 66, &[], &[]);
        let units = |base: &str| {
            ["People", "Away", "Groups"]
                .map(|unit| format!("dn: OU={unit},{base}\nobjectClass: organizationalUnit\nou: {unit}\n\n"))
                .concat()
        };
        ad.client("ldapadd", &[], &units(BASE));
        let root = format!("dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: Contoso\ndc: contoso\n\n");
        let ldif = folder.path().join("directory.ldif");
        std::fs::write(&ldif, [root, units(BASE)].concat()).unwrap();
        let ldap = Server::start("slapd", 67, &[ldif.to_str().unwrap()], &[("SLAPD_REFINT", "on")]);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let mut chaos = Chaos {
            folder,
            ad,
            ldap,
            runtime,
            emulator: None,
            port: 0,
            serving: None,
            people: BTreeMap::new(),
            next: 0,
        };
        chaos.start_tenant();
        chaos.configure();
        chaos
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start_tenant(&mut self) {
        let settings = emulator::Settings {
            port: self.port,
            throttle: emulator::Throttling::Factor(FASTER),
            ..emulator::Settings::for_tenant("contoso.com", Some(self.path("tenant")))
        };
        let emulator = self.runtime.block_on(emulator::start(settings)).unwrap();
        self.port = emulator.base_url.rsplit(':').next().unwrap().parse().unwrap();
        self.emulator = Some(emulator);
    }

    fn configure(&self) {
        std::fs::create_dir(self.path("rules")).unwrap();
        for (kind, connector) in [(Kind::Samba(""), "ad"), (Kind::Slapd(""), "ldap")] {
            for (name, text) in rules_of(kind, connector) {
                std::fs::write(self.path("rules").join(name), text).unwrap();
            }
        }
        std::fs::write(self.path("secret"), "emulator-secret").unwrap();
        let mut config = String::new();
        for (name, kind, server) in [("ad", "active-directory", &self.ad), ("ldap", "openldap", &self.ldap)] {
            let password = self.path(&format!("{name}.password"));
            std::fs::write(&password, server.fact("BIND_PASSWORD")).unwrap();
            config += &format!(
                "[connector.{name}]\nkind = '{kind}'\nurl = '{}'\nca_file = '{}'\nbind_dn = '{}'\npassword = 'file:{}'\n\
                 include = ['OU=People,{BASE}', 'OU=Groups,{BASE}']\n",
                server.fact("LDAPS_URL"),
                server.fact("CA_FILE"),
                server.fact("BIND_DN"),
                password.display(),
            );
        }
        config += &format!(
            "[connector.entra]\nkind = 'entra'\ntenant = 'contoso.com'\nclient_id = '00001111-aaaa-2222-bbbb-3333cccc4444'\n\
             client_secret = 'file:{}'\nlogin_url = '{url}'\ngraph_url = '{url}'\nwrites_per_150s = {writes:.0}\nretry_pause_ms = 10\n\
             [limits]\ndeletes = [100000, '100%']\ndisables = [100000, '100%']\nshrinkage = '100%'\n\
             [serve]\nevery = 2\nmaintenance = '* * * * *'\nbackups = '{backups}'\nkeep_backups = 2\n",
            self.path("secret").display(),
            url = self.emulator.as_ref().unwrap().base_url,
            writes = 2_700.0 * FASTER,
            backups = self.path("backups").display(),
        );
        std::fs::write(self.path("syncline.toml"), config).unwrap();
    }

    fn serve(&mut self) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap();
        let program = std::env::var("LAG_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_syncline").to_owned());
        let process = Command::new(std::fs::canonicalize(program).unwrap())
            .arg("serve")
            .current_dir(self.path(""))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.serving = Some(process);
    }

    /// Ends the process, in order or not.
    fn end(&mut self, signal: &str) {
        let Some(mut process) = self.serving.take() else { return };
        let id = process.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        process.wait().unwrap();
    }

    fn server(&self, ad: bool) -> &Server {
        if ad { &self.ad } else { &self.ldap }
    }

    fn dn(ad: bool, number: u64, unit: &str) -> String {
        let attribute = if ad { "CN" } else { "uid" };
        format!("{attribute}=p{number},OU={unit},{BASE}")
    }

    /// One change of a directory.
    fn change(&mut self, dice: &mut Dice) {
        let ad = dice.below(2) == 0;
        let here: Vec<u64> =
            self.people.keys().filter(|(where_, _)| *where_ == ad).map(|(_, number)| *number).collect();
        let somebody = |dice: &mut Dice| here[usize::try_from(dice.below(here.len() as u64)).unwrap()];
        match dice.below(20) {
            0..=5 if here.len() < 400 => {
                let number = self.next;
                self.next += 1;
                let class = if ad {
                    format!("objectClass: user\nsAMAccountName: p{number}\ncn: p{number}")
                } else {
                    format!("objectClass: inetOrgPerson\nuid: p{number}\ncn: p{number}")
                };
                let dn = Chaos::dn(ad, number, "People");
                self.server(ad).client("ldapmodify", &[], &format!("dn: {dn}\nchangetype: add\n{class}\nsn: x\n\n"));
                self.people.insert((ad, number), String::new());
            }
            6 if here.len() > 5 => {
                let number = somebody(dice);
                let dn = Chaos::dn(ad, number, "People");
                self.server(ad).client("ldapmodify", &[], &format!("dn: {dn}\nchangetype: delete\n\n"));
                self.people.remove(&(ad, number));
            }
            7 if here.len() > 5 => {
                // Out of sight, and gone for us.
                let number = somebody(dice);
                let (dn, rdn) = (Chaos::dn(ad, number, "People"), Chaos::dn(ad, number, ""));
                let rdn = rdn.split(',').next().unwrap();
                let input = format!(
                    "dn: {dn}\nchangetype: modrdn\nnewrdn: {rdn}\ndeleteoldrdn: 1\nnewsuperior: OU=Away,{BASE}\n\n"
                );
                self.server(ad).client("ldapmodify", &[], &input);
                self.people.remove(&(ad, number));
            }
            _ if !here.is_empty() => {
                let (number, title) = (somebody(dice), format!("Title {}", dice.below(1_000_000)));
                let dn = Chaos::dn(ad, number, "People");
                let input = format!("dn: {dn}\nchangetype: modify\nreplace: title\ntitle: {title}\n\n");
                self.people.insert((ad, number), title);
                self.server(ad).client("ldapmodify", &[], &input);
            }
            _ => {}
        }
    }

    /// Something breaks, and is there again a moment later.
    fn trouble(&mut self, dice: &mut Dice) -> &'static str {
        let pause = Duration::from_millis(100 + dice.below(1_500));
        match dice.below(5) {
            0 => {
                self.end("-KILL");
                std::thread::sleep(pause);
                self.serve();
                "killed"
            }
            1 => {
                self.end("-TERM");
                std::thread::sleep(pause);
                self.serve();
                "stopped in order"
            }
            2 => {
                let emulator = self.emulator.take().unwrap();
                self.runtime.block_on(emulator.stop()).unwrap();
                std::thread::sleep(pause);
                self.start_tenant();
                "tenant out of reach"
            }
            3 => {
                restart(&self.ldap, "slapd", pause);
                "OpenLDAP out of reach"
            }
            _ => {
                restart(&self.ad, "samba-ad", pause);
                "Active Directory out of reach"
            }
        }
    }

    /// Sign-in names in the tenant, with the titles of everybody who has it.
    fn tenant(&self) -> BTreeMap<String, Vec<String>> {
        let settings = syncline::connector::graph::Settings::for_emulator(
            &self.emulator.as_ref().unwrap().base_url,
            "contoso.com",
        );
        let graph = syncline::connector::graph::Graph::new(settings).unwrap();
        let mut names = BTreeMap::new();
        for user in users(&self.runtime, &graph, "jobTitle") {
            let title = value(&user, "jobTitle").unwrap_or_default();
            names.entry(value(&user, "userPrincipalName").unwrap()).or_insert_with(Vec::new).push(title);
        }
        names
    }

    fn expected(&self) -> BTreeMap<String, Vec<String>> {
        let name = |(ad, number): &(bool, u64)| format!("{}p{number}@contoso.com", if *ad { "" } else { "l-" });
        self.people.iter().map(|(person, title)| (name(person), vec![title.clone()])).collect()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn memory(&self) -> u64 {
        let Some(process) = &self.serving else { return 0 };
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS"));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0) / 1_024
    }
}

impl Drop for Chaos {
    fn drop(&mut self) {
        if let Some(process) = &mut self.serving {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Ends a server, and starts it again after a while at the same address, with what it holds.
fn restart(server: &Server, kind: &str, pause: Duration) {
    server.stop();
    std::thread::sleep(pause);
    let folder = std::path::Path::new(server.fact("CA_FILE")).ancestors().nth(2).unwrap();
    let address = server.fact("LDAPS_URL").trim_start_matches("ldaps://").split(':').next().unwrap();
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/servers/{kind}-up"));
    let mut command = Command::new(script);
    command.arg(folder).arg(address).env("SLAPD_REFINT", "on").stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn size(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(about) if about.is_dir() => size(&entry.path()),
            Ok(about) => about.len(),
            Err(_) => 0,
        })
        .sum()
}

/// The second half of a long time takes no more memory than the first, but for the store's cache, which fills up; on the disk
/// there is what the store does not need until it is written anew.
fn flat(samples: &[(u64, u64)]) {
    let median = |samples: &[(u64, u64)], of: fn(&(u64, u64)) -> u64| {
        let mut values: Vec<u64> = samples.iter().map(of).filter(|value| *value > 0).collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied().unwrap_or(0)
    };
    let (first, second) = samples.split_at(samples.len() / 2);
    if samples.len() > 5 {
        for of in [|it: &(u64, u64)| it.0, |it: &(u64, u64)| it.1] {
            assert!(median(second, of) <= median(first, of).max(60) * 3 / 2, "it grows: {samples:?}");
        }
    }
}

#[test]
fn whatever_breaks_everything_arrives_once() {
    let mut chaos = Chaos::start();
    let mut dice = Dice(u64::from(number("CHAOS_SEED", 1)));
    let length = Duration::from_secs(u64::from(number("CHAOS_SECONDS", 40)));
    chaos.serve();
    let begun = Instant::now();
    let (mut changes, mut troubles, mut told) = (0_u32, BTreeMap::<&str, u32>::new(), Instant::now());
    let mut samples = Vec::new();
    while begun.elapsed() < length {
        chaos.change(&mut dice);
        changes += 1;
        std::thread::sleep(Duration::from_millis(dice.below(60)));
        if dice.below(40) == 0 {
            *troubles.entry(chaos.trouble(&mut dice)).or_insert(0) += 1;
        }
        if told.elapsed() > Duration::from_secs(60) {
            let (memory, disk) = (chaos.memory(), size(&chaos.path("state")) / 1_048_576);
            println!("{:>4} s: {changes} changes, {memory} MB in memory, {disk} MB on disk", begun.elapsed().as_secs());
            samples.push((memory, disk));
            told = Instant::now();
        }
    }
    flat(&samples);
    let waiting = Instant::now();
    while chaos.tenant() != chaos.expected() {
        let (is, shall) = (chaos.tenant(), chaos.expected());
        let log = chaos.log();
        assert!(waiting.elapsed() < Duration::from_secs(180), "is {is:?}\nshall be {shall:?}\n{log}");
        std::thread::sleep(Duration::from_millis(200));
    }
    println!(
        "{changes} changes, {troubles:?}, settled after {} ms, {} people, {} MB in memory, {} MB on disk",
        waiting.elapsed().as_millis(),
        chaos.people.len(),
        chaos.memory(),
        size(&chaos.path("state")) / 1_048_576,
    );
    // What was written last is being looked at.
    std::thread::sleep(Duration::from_secs(2));
    chaos.end("-TERM");
    let names = std::fs::read_dir(chaos.path("state")).unwrap().map(|entry| entry.unwrap().file_name());
    let old: Vec<_> = names.filter(|name| name.to_string_lossy().contains(".before-")).collect();
    assert!(old.is_empty(), "stores that were compacted are left behind: {old:?}");
    // What was followed is what is there.
    let config = syncline::config::Config::load(&chaos.path("syncline.toml")).unwrap();
    let mut session = syncline::run::session::Session::open(config, false).unwrap();
    let report = read_everything(&mut session);
    let changed: u64 =
        report.imports.iter().map(|import| import.new + import.changed + import.gone + import.held).sum();
    let written: u64 = report.exports.iter().map(|export| export.written()).sum();
    assert_eq!((changed, written), (0, 0), "{report:?}");
    session.close().unwrap();
}
