//! Servers for the tests, and short ways to use them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use syncline::connector::ldap::{Flavour, Ldap};
use syncline::connector::{ConnectorError, ImportEnd, ImportEvent, ImportRequest, ImportedObject};

/// A server in a folder of its own, ended when it goes out of scope.
pub(crate) struct Server {
    kind: &'static str,
    folder: tempfile::TempDir,
    facts: BTreeMap<String, String>,
}

impl Server {
    /// Starts `samba-ad` or `slapd` at a loopback address of its own; `arguments` and `environment` go to its script.
    pub(crate) fn start(kind: &'static str, number: u32, arguments: &[&str], environment: &[(&str, &str)]) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let process = std::process::id();
        let address = format!("127.{}.{}.{number}", 64 + (process >> 8) % 128, process % 256);
        let mut command = Command::new(script(&format!("{kind}-up")));
        command.arg(folder.path()).arg(address).args(arguments).envs(environment.iter().copied());
        let output = command.stdin(Stdio::null()).output().unwrap();
        let server = Server { kind, folder, facts: facts(&output.stdout) };
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{kind} does not start: {complaint}");
        server
    }

    pub(crate) fn fact(&self, name: &str) -> &str {
        self.facts.get(name).map(String::as_str).unwrap_or_else(|| panic!("the script does not tell {name}"))
    }

    /// Ends the server now.
    pub(crate) fn stop(&self) {
        let _ = Command::new(script(&format!("{}-down", self.kind))).arg(self.folder.path()).status();
    }

    /// Runs `ldapmodify`, `ldapdelete` … as administrator with this input.
    pub(crate) fn client(&self, program: &str, arguments: &[&str], input: &str) {
        let mut child = Command::new(program)
            .args(["-x", "-H", self.fact("LDAPS_URL"), "-D", self.fact("BIND_DN"), "-w", self.fact("BIND_PASSWORD")])
            .args(arguments)
            .env("LDAPTLS_CACERT", self.fact("CA_FILE"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// What `ldapsearch` finds, as administrator: names and these attributes, sorted, decoded.
    pub(crate) fn search(&self, base: &str, filter: &str, attributes: &[&str]) -> Vec<String> {
        let output = Command::new("ldapsearch")
            .args(["-x", "-LLL", "-o", "ldif-wrap=no", "-H", self.fact("LDAPS_URL"), "-D", self.fact("BIND_DN")])
            .args(["-w", self.fact("BIND_PASSWORD"), "-b", base, filter])
            .args(attributes)
            .env("LDAPTLS_CACERT", self.fact("CA_FILE"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let mut entries: Vec<Vec<String>> = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let line = match line.split_once(":: ") {
                Some((name, encoded)) => {
                    format!("{name}: {}", String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap())
                }
                None => line.to_owned(),
            };
            match entries.last_mut().filter(|_| !line.starts_with("dn: ")) {
                Some(entry) => entry.push(line),
                None => entries.push(vec![line]),
            }
        }
        entries.iter_mut().for_each(|entry| entry[1..].sort());
        entries.sort();
        entries.concat()
    }

    /// A source on this server, as administrator, with these further settings.
    pub(crate) fn source(&self, flavour: Flavour, settings: &str) -> Ldap {
        let (name, password) = (self.fact("BIND_DN").to_owned(), self.fact("BIND_PASSWORD").to_owned());
        self.source_as(flavour, &name, &password, settings)
    }

    /// A source on this server with this account.
    pub(crate) fn source_as(&self, flavour: Flavour, name: &str, password: &str, settings: &str) -> Ldap {
        let secret = self.secret(password);
        self.try_source(flavour, &format!("bind_dn = '{name}'\npassword = '{secret}'\n{settings}")).unwrap()
    }

    /// A source that says nothing about an account.
    pub(crate) fn try_source(&self, flavour: Flavour, settings: &str) -> Result<Ldap, ConnectorError> {
        let mut all = settings.to_owned();
        for (key, value) in [("url", "LDAPS_URL"), ("ca_file", "CA_FILE")] {
            if !settings.contains(&format!("{key} =")) {
                all.push_str(&format!("\n{key} = '{}'", self.fact(value)));
            }
        }
        Ldap::new(flavour, toml::from_str(&all).unwrap())
    }

    fn secret(&self, password: &str) -> String {
        let mut file = tempfile::Builder::new().tempfile_in(self.folder.path()).unwrap();
        file.write_all(password.as_bytes()).unwrap();
        let (_, path) = file.keep().unwrap();
        format!("file:{}", path.display())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/servers").join(name)
}

fn facts(output: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(output);
    text.lines().filter_map(|line| line.split_once('=')).map(|(key, value)| (key.into(), value.into())).collect()
}

pub(crate) fn request(types: &[(&str, &[&str])]) -> ImportRequest {
    let types = types
        .iter()
        .map(|(name, wanted)| ((*name).to_owned(), wanted.iter().map(|attribute| (*attribute).into()).collect()));
    ImportRequest { types: types.collect() }
}

/// What an import delivers.
pub(crate) struct Imported {
    pub(crate) objects: Vec<ImportedObject>,
    pub(crate) unreadable: Vec<String>,
    pub(crate) end: Result<ImportEnd, ConnectorError>,
}

impl Imported {
    pub(crate) fn by_name(&self, start: &str) -> &ImportedObject {
        let mut found =
            self.objects.iter().filter(|object| object.dn.as_deref().is_some_and(|dn| dn.starts_with(start)));
        found.next().unwrap_or_else(|| panic!("no `{start}` among {} objects", self.objects.len()))
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.objects.iter().filter_map(|object| object.dn.as_deref()).collect();
        names.sort_unstable();
        names
    }
}

pub(crate) async fn import(source: &Ldap, request: &ImportRequest) -> Imported {
    import_and(source, request, |_| {}).await
}

/// Imports; `each` is called with the number of objects so far, before the next is taken.
pub(crate) async fn import_and(source: &Ldap, request: &ImportRequest, mut each: impl FnMut(usize)) -> Imported {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    let taking = async {
        let (mut objects, mut unreadable) = (Vec::new(), Vec::new());
        while let Some(event) = receiver.recv().await {
            match event {
                ImportEvent::Object(object) => objects.push(*object),
                ImportEvent::Unreadable { who, reason } => unreadable.push(format!("{who}: {reason}")),
                ImportEvent::Expected(_) => {}
            }
            each(objects.len());
        }
        (objects, unreadable)
    };
    let (end, (objects, unreadable)) = tokio::join!(source.import(request, sender), taking);
    Imported { objects, unreadable, end }
}
