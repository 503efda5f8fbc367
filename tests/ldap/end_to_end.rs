//! The whole way: people and groups in a real Active Directory (Samba), the rules that ship, the binary, and an Entra ID
//! that speaks Graph over HTTPS. What arrives is compared by a script that shares no code with Syncline.

use std::path::Path;
use std::process::{Command, Output};

use syncline::config::Config;
use syncline::emulator;
use syncline::run::import;
use syncline::run::session::Session;

use super::server::Server;

const BASE: &str = "DC=contoso,DC=test";

/// A deployment in a folder.
struct Deployment {
    folder: tempfile::TempDir,
    ad: Server,
    emulator: emulator::Emulator,
    runtime: tokio::runtime::Runtime,
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Deployment {
    fn start() -> Deployment {
        let folder = tempfile::tempdir().unwrap();
        let ad = Server::start("samba-ad", 40, &[], &[]);
        let generator = repository().join("tests/servers/gen-directory");
        let directory = Command::new("python3")
            .arg(generator)
            .args([
                "--flavour",
                "ad",
                "--users",
                "150",
                "--groups",
                "12",
                "--contacts",
                "5",
                "--seed",
                "3",
                "--no-guid",
            ])
            .output()
            .unwrap();
        assert!(directory.status.success(), "{}", String::from_utf8_lossy(&directory.stderr));
        ad.client("ldapadd", &[], &String::from_utf8(directory.stdout).unwrap());
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let settings = emulator::Settings {
            tls: true,
            ..emulator::Settings::for_tenant("contoso.onmicrosoft.com", Some(folder.path().join("tenant")))
        };
        let emulator = runtime.block_on(emulator::start(settings)).unwrap();
        let deployment = Deployment { folder, ad, emulator, runtime };
        deployment.configure(deployment.ad.fact("BIND_DN"));
        deployment
    }

    fn configure(&self, account: &str) {
        let config = format!(
            "[connector.ad]\nkind = 'active-directory'\nurl = '{}'\nca_file = '{}'\nbind_dn = '{account}'\n\
             password = 'env:AD_PASSWORD'\ninclude = ['OU=People,{BASE}', 'OU=Groups,{BASE}', 'OU=Contacts,{BASE}']\n\
             [connector.entra]\nkind = 'entra'\ntenant = 'contoso.onmicrosoft.com'\n\
             client_id = '00001111-aaaa-2222-bbbb-3333cccc4444'\nclient_secret = 'env:ENTRA_SECRET'\n\
             login_url = '{url}'\ngraph_url = '{url}'\nca_file = '{}'\nwrites_per_150s = 0\n\
             [rules]\nfolder = '{}'\n[limits]\ndeletes = 3\n",
            self.ad.fact("LDAPS_URL"),
            self.ad.fact("CA_FILE"),
            self.emulator.ca_file.as_ref().unwrap().display(),
            repository().join("rules").display(),
            url = self.emulator.base_url,
        );
        std::fs::write(self.folder.path().join("syncline.toml"), config).unwrap();
    }

    fn syncline(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_syncline"))
            .arg("--config")
            .arg(self.folder.path().join("syncline.toml"))
            .args(arguments)
            .env("AD_PASSWORD", self.ad.fact("BIND_PASSWORD"))
            .env("ENTRA_SECRET", "emulator-secret")
            .output()
            .unwrap()
    }

    /// The same deployment in this process.
    fn open(&self) -> Session {
        let path = |name: &str| self.folder.path().join(name);
        std::fs::write(path("ad.secret"), self.ad.fact("BIND_PASSWORD")).unwrap();
        std::fs::write(path("entra.secret"), "emulator-secret").unwrap();
        let config = std::fs::read_to_string(path("syncline.toml")).unwrap();
        let config = config.replace("env:AD_PASSWORD", &format!("file:{}", path("ad.secret").display()));
        let config = config.replace("env:ENTRA_SECRET", &format!("file:{}", path("entra.secret").display()));
        std::fs::write(path("here.toml"), config).unwrap();
        Session::open(Config::load(&path("here.toml")).unwrap(), false).unwrap()
    }

    fn run(&self) -> String {
        let output = self.syncline(&["run"]);
        let talk = String::from_utf8(output.stderr).unwrap();
        assert!(matches!(output.status.code(), Some(0 | 1)), "{:?}\n{talk}", output.status);
        assert!(!talk.contains(self.ad.fact("BIND_PASSWORD")) && !talk.contains("emulator-secret"));
        talk
    }

    fn get(&self, path: &str) -> String {
        let pem = std::fs::read(self.emulator.ca_file.as_ref().unwrap()).unwrap();
        let client = reqwest::Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(&pem).unwrap()])
            .no_proxy()
            .build()
            .unwrap();
        let url = format!("{}/_emulator/{path}", self.emulator.base_url);
        self.runtime.block_on(async { client.get(url).send().await.unwrap().text().await.unwrap() })
    }

    /// Writes that succeeded so far: method, path and body.
    fn writes(&self) -> Vec<String> {
        let log: Vec<serde_json::Value> = serde_json::from_str(&self.get("log?since=0")).unwrap();
        log.iter()
            .filter(|entry| entry["status"].as_u64().is_some_and(|status| status < 300))
            .map(|entry| {
                format!("{} {} {}", entry["method"].as_str().unwrap(), entry["path"].as_str().unwrap(), entry["body"])
            })
            .collect()
    }

    /// Runs once, and gives what was written by it.
    fn writes_of_a_run(&self) -> Vec<String> {
        let before = self.writes().len();
        self.run();
        self.writes().split_off(before)
    }

    fn modify(&self, dn: &str, change: &str) {
        self.ad.client("ldapmodify", &[], &format!("{dn}\nchangetype: modify\n{change}\n"));
    }

    fn search(&self, arguments: &[&str]) -> Vec<u8> {
        let output = Command::new("ldapsearch")
            .args(["-LLL", "-o", "ldif-wrap=no", "-x", "-H", self.ad.fact("LDAPS_URL")])
            .args(["-D", self.ad.fact("BIND_DN"), "-w", self.ad.fact("BIND_PASSWORD")])
            .args(arguments)
            .env("LDAPTLS_CACERT", self.ad.fact("CA_FILE"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// The `dn:` lines of enabled people whom the tenant has, with their mail.
    fn people(&self) -> Vec<(String, String)> {
        let tenant = self.get("dump");
        let filter = "(&(objectClass=user)(userAccountControl=512)(mail=*)(!(department=Legal)))";
        let text = String::from_utf8(self.search(&["-b", &format!("OU=People,{BASE}"), filter, "mail"])).unwrap();
        let person = |block: &str| {
            let line = |start: &str| block.lines().find(|line| line.starts_with(start)).map(str::to_owned);
            let mail = line("mail: ")?.split_off(6);
            tenant.contains(&format!("\"mail\":\"{mail}\"")).then_some((line("dn:")?, mail))
        };
        text.split("\n\n").filter_map(person).collect()
    }

    fn compare(&self) {
        let filter = "(|(objectClass=user)(objectClass=group)(objectClass=contact))";
        let mut dump = Vec::new();
        for ou in ["People", "Groups", "Contacts"] {
            dump.extend(self.search(&["-b", &format!("OU={ou},{BASE}"), filter]));
        }
        let (ad, entra) = (self.folder.path().join("ad.ldif"), self.folder.path().join("entra.jsonl"));
        std::fs::write(&ad, dump).unwrap();
        std::fs::write(&entra, self.get("dump")).unwrap();
        let verdict = Command::new("python3")
            .arg(repository().join("tests/servers/compare"))
            .arg(ad)
            .arg(entra)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&verdict.stdout).into_owned();
        assert!(verdict.status.success(), "{said}{}", String::from_utf8_lossy(&verdict.stderr));
        assert!(said.contains(" 0 differ"), "{said}");
    }
}

#[test]
fn from_active_directory_to_entra() {
    let world = Deployment::start();
    world.run();
    world.compare();
    assert_eq!(world.writes_of_a_run(), Vec::<String>::new(), "a second run changes nothing");

    let people = world.people();
    let [(ada, _), (bob, _), (eve, _), ..] = people.as_slice() else { panic!("too few people: {people:?}") };
    world.modify(ada, "replace: title\ntitle: Chief Tester\n");
    let writes = world.writes_of_a_run();
    assert_eq!(writes.len(), 1, "{writes:?}");
    assert!(writes[0].starts_with("PATCH ") && writes[0].ends_with(r#"{"jobTitle":"Chief Tester"}"#), "{writes:?}");

    world.modify(bob, "replace: userAccountControl\nuserAccountControl: 514\n");
    let writes = world.writes_of_a_run();
    assert_eq!(writes.len(), 1, "{writes:?}");
    assert!(writes[0].ends_with(r#"{"accountEnabled":false}"#), "{writes:?}");

    let move_out =
        format!("{eve}\nchangetype: modrdn\nnewrdn: CN=Moved\ndeleteoldrdn: 1\nnewsuperior: CN=Users,{BASE}\n");
    world.ad.client("ldapmodify", &[], &move_out);
    let writes = world.writes_of_a_run();
    assert_eq!(writes.len(), 1, "{writes:?}");
    assert!(writes[0].starts_with("DELETE /users/"), "{writes:?}");
    world.compare();

    line_13_a_unit_that_is_renamed_stays_in_scope(&world);
    an_account_that_sees_less_deletes_nobody(&world);
    the_guard_stops_before_anything_is_deleted(&world, &people);
}

/// The settings name a unit, and mean it whatever it is called.
fn line_13_a_unit_that_is_renamed_stays_in_scope(world: &Deployment) {
    let rename = |from: &str, to: &str| {
        let change = format!("dn: OU={from},{BASE}\nchangetype: modrdn\nnewrdn: OU={to}\ndeleteoldrdn: 1\n");
        world.ad.client("ldapmodify", &[], &change);
    };
    let before = world.writes().len();
    rename("People", "Staff");
    let talk = world.run();
    let warning = format!("`OU=People,{BASE}` is called `OU=Staff,{BASE}` now and stays in scope");
    assert!(talk.contains(&warning), "{talk}");
    assert_eq!(world.writes().len(), before, "{talk}");
    // Who serves asks more than once, and is started again: it still knows which unit is meant.
    for _ in 0..2 {
        let mut session = world.open();
        for _ in 0..2 {
            let warnings = import::learn(&mut session, "ad").unwrap();
            assert!(warnings.iter().any(|said| said.contains(&warning)), "{warnings:?}");
        }
        session.close().unwrap();
    }
    // Another unit of the old name counts as well, and takes nothing away.
    world.ad.client("ldapadd", &[], &format!("dn: OU=People,{BASE}\nobjectClass: organizationalUnit\n"));
    let talk = world.run();
    assert!(talk.contains("another entry has taken the old name"), "{talk}");
    assert_eq!(world.writes().len(), before, "{talk}");
    world.ad.client("ldapdelete", &[], &format!("OU=People,{BASE}\n"));
    rename("Staff", "People");
    let talk = world.run();
    assert!(!talk.contains("warning: "), "{talk}");
    assert_eq!(world.writes().len(), before, "{talk}");
}

/// An ordinary account sees no tombstones, and nothing at all below an OU whose rights it lost.
fn an_account_that_sees_less_deletes_nobody(world: &Deployment) {
    let hidden = format!("OU=Legal,OU=People,{BASE}");
    let account = format!("CN=svc-weak,CN=Users,{BASE}");
    use base64::Engine as _;
    let quoted: Vec<u8> =
        format!("\"{}\"", world.ad.fact("BIND_PASSWORD")).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let password = base64::engine::general_purpose::STANDARD.encode(quoted);
    let user = format!(
        "dn: {account}\nchangetype: add\nobjectClass: user\nsAMAccountName: svc-weak\nunicodePwd:: {password}\nuserAccountControl: 512\n"
    );
    world.ad.client("ldapmodify", &[], &user);
    let denied = Command::new("samba-tool")
        .args(["dsacl", "set", "-H", world.ad.fact("SAM_LDB"), "--objectdn", &hidden])
        .args(["--sddl", "(D;CI;GA;;;AU)"])
        .output()
        .unwrap();
    assert!(denied.status.success(), "{}", String::from_utf8_lossy(&denied.stderr));
    let before = world.writes().len();
    world.configure("svc-weak@contoso.test");
    let talk = world.run();
    assert!(talk.contains("nothing proves that it was deleted: held"), "{talk}");
    assert_eq!(world.writes().len(), before, "{talk}");
    let held = world.syncline(&["gone", "ad"]);
    let names = String::from_utf8_lossy(&held.stdout).into_owned();
    assert!(!names.is_empty() && names.lines().all(|name| name.contains("OU=Legal")), "{names}");
    world.configure(world.ad.fact("BIND_DN"));
    world.run();
    assert_eq!(world.writes().len(), before);
}

fn the_guard_stops_before_anything_is_deleted(world: &Deployment, people: &[(String, String)]) {
    for (dn, _) in people.iter().skip(3).take(5) {
        world.modify(dn, "replace: adminDescription\nadminDescription: User_leave\n");
    }
    let before = world.writes().len();
    let output = world.syncline(&["run"]);
    let talk = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(5), "{talk}");
    assert!(talk.contains("Nothing was exported"), "{talk}");
    assert_eq!(world.writes().len(), before);
    let list = talk.lines().find_map(|line| line.split_once("--allow ")).map(|(_, path)| path.trim().to_owned());
    let output = world.syncline(&["run", "--allow", &list.unwrap()]);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&output.stderr));
    let writes = world.writes().split_off(before);
    assert_eq!(writes.len(), 5, "{writes:?}");
    assert!(writes.iter().all(|write| write.starts_with("DELETE /users/")), "{writes:?}");
}
