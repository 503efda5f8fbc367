//! How long it takes from a change in a directory to the value in the tenant, with the built program as a process that
//! serves. Few changes by default; `LAG_CHANGES=1000 LAG_SECONDS=600` measures, `LAG_USERS=100000` among many, and
//! `LAG_BINARY=target/release/syncline` a program that was built to be fast; `LAG_RESTART=1` starts it again after its
//! first run.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ldap3::{LdapConnAsync, LdapConnSettings, Mod};
use syncline::connector::graph::{Graph, Settings};
use syncline::connector::{Anchor, ImportRequest, Presence};
use syncline::value::{AttributeName, Value};

use crate::world::{Kind, World, number};

/// How long anything may take before a test fails.
const LONG: Duration = Duration::from_secs(900);

/// A process that serves; killed with its test.
pub(crate) struct Serving(Child);

impl Serving {
    pub(crate) fn start(world: &World) -> Serving {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(world.path("log")).unwrap();
        let program = std::env::var("LAG_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_syncline").to_owned());
        let process = Command::new(std::fs::canonicalize(program).unwrap())
            .arg("serve")
            .current_dir(world.path(""))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Serving(process)
    }

    /// Ends it in order.
    pub(crate) fn end(&mut self) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
        self.0.wait().unwrap();
    }

    /// Seconds of processor time, so far.
    pub(crate) fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let after = stat.rsplit_once(')').unwrap().1;
        let field = |at: usize| after.split_whitespace().nth(at).unwrap().parse::<f64>().unwrap();
        (field(11) + field(12)) / 100.0
    }

    /// Megabytes in memory.
    fn memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1_024.0
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The tenant, as anybody sees it.
pub(crate) fn tenant(world: &World) -> Graph {
    Graph::new(Settings::for_emulator(&world.emulator.base_url, "contoso.com")).unwrap()
}

fn request() -> ImportRequest {
    ImportRequest { types: BTreeMap::from([("user".to_owned(), ["jobTitle".into()].into())]) }
}

async fn title(tenant: &Graph, anchor: &Anchor) -> Option<String> {
    let found = tenant.look_up(&request(), std::slice::from_ref(anchor)).await.unwrap();
    let Presence::Present(object) = &found.first()?.1 else { return None };
    object.attributes.get(&AttributeName::from("jobTitle"))?.first()?.as_text().map(str::to_owned)
}

/// People by their names in the directory, and who they are in the tenant.
async fn people(world: &World, tenant: &Graph) -> Vec<(String, Anchor)> {
    let (filter, name) = match world.kind {
        Kind::Samba(_) => ("(&(objectClass=user)(title=*)(mail=*))", "sAMAccountName"),
        Kind::Slapd(_) => ("(&(objectClass=inetOrgPerson)(title=*)(mail=*))", "uid"),
    };
    let base = format!("OU=Sales,OU=People,{}", crate::world::BASE);
    let listed = world.server.search(&base, filter, &[name]);
    let mut people = Vec::new();
    let mut entry = None;
    for line in listed {
        if let Some(dn) = line.strip_prefix("dn: ") {
            entry = Some(dn.to_owned());
        } else if people.len() >= 50 {
            break;
        } else if let (Some(dn), Some((_, account))) = (entry.take(), line.split_once(": ")) {
            let name = Value::Text(format!("{}@contoso.com", account.to_lowercase()));
            let begun = Instant::now();
            let anchor = loop {
                match tenant.find("user", &"userPrincipalName".into(), &name).await.unwrap().pop() {
                    Some(anchor) => break anchor,
                    None => assert!(begun.elapsed() < LONG, "{name} does not arrive: {}", log(world)),
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            };
            people.push((dn, anchor));
        }
    }
    people
}

pub(crate) fn log(world: &World) -> String {
    std::fs::read_to_string(world.path("log")).unwrap_or_default()
}

pub(crate) async fn connect(world: &World) -> ldap3::Ldap {
    let ca = std::fs::read(world.server.fact("CA_FILE")).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    for certificate in rustls_pemfile(&ca) {
        roots.add(certificate).unwrap();
    }
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let settings = LdapConnSettings::new().set_config(std::sync::Arc::new(config));
    let (driver, mut ldap) = LdapConnAsync::with_settings(settings, world.server.fact("LDAPS_URL")).await.unwrap();
    tokio::spawn(async move { drop(driver.drive().await) });
    ldap.simple_bind(world.server.fact("BIND_DN"), world.server.fact("BIND_PASSWORD"))
        .await
        .unwrap()
        .success()
        .unwrap();
    ldap
}

fn rustls_pemfile(pem: &[u8]) -> Vec<rustls::pki_types::CertificateDer<'static>> {
    use rustls::pki_types::pem::PemObject as _;
    rustls::pki_types::CertificateDer::pem_slice_iter(pem).map(Result::unwrap).collect()
}

/// Changes people one after the other, and waits for each value in the tenant. Gives the times in milliseconds, sorted.
fn measure(kind: Kind, at: u32) {
    let (changes, seconds) = (number("LAG_CHANGES", 20), number("LAG_SECONDS", 6));
    let world = World::start(kind, at, &World::generated(kind, number("LAG_USERS", 200) as usize, 10));
    world.configure("state");
    let mut serving = Serving::start(&world);
    let tenant = tenant(&world);
    let times = world.runtime.block_on(async {
        let people = people(&world, &tenant).await;
        // Not before the first run has left nothing for another.
        while log(&world).lines().rfind(|line| line.contains(" run ")).is_none_or(|line| line.contains(" left")) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(people.len() > 5, "{people:?}");
        if std::env::var("LAG_RESTART").is_ok() {
            // What the first run needed is not what a change needs.
            serving.end();
            serving = Serving::start(&world);
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        let at_first = serving.memory();
        let mut ldap = connect(&world).await;
        let pause = Duration::from_secs_f64(f64::from(seconds) / f64::from(changes));
        let before = serving.cpu();
        let mut waiting = tokio::task::JoinSet::new();
        for change in 0..changes {
            let begun = Instant::now();
            let (name, anchor) = people[change as usize % people.len()].clone();
            let wanted = format!("Title {change}");
            let values = std::collections::HashSet::from([wanted.as_str()]);
            ldap.modify(&name, vec![Mod::Replace("title", values)]).await.unwrap().success().unwrap();
            let tenant = tenant.clone();
            let text = log(&world);
            waiting.spawn(async move {
                while title(&tenant, &anchor).await.as_deref() != Some(&wanted) {
                    assert!(begun.elapsed() < LONG, "`{wanted}` does not arrive: {text}");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                begun.elapsed().as_millis()
            });
            tokio::time::sleep(pause.saturating_sub(begun.elapsed())).await;
        }
        let mut times = waiting.join_all().await;
        times.sort_unstable();
        let cpu = (serving.cpu() - before) * 1_000.0 / f64::from(changes);
        let memory = serving.memory();
        println!("{kind:?}: {cpu:.1} ms of processor a change, {memory:.0} MB in memory, {at_first:.0} MB before");
        times
    });
    assert_eq!(times.len(), changes as usize);
    let part = |share: usize| times[(times.len() - 1) * share / 100];
    println!(
        "{kind:?}: {changes} changes in {seconds} s: p50 {} ms, p99 {} ms, longest {} ms",
        part(50),
        part(99),
        part(100)
    );
    if std::env::var("LAG_LOG").is_ok() {
        println!("{}", log(&world));
    }
}

#[test]
fn from_active_directory_to_the_tenant() {
    measure(Kind::Samba("auto"), 63);
}

#[test]
fn from_openldap_to_the_tenant() {
    measure(Kind::Slapd("auto"), 64);
}
