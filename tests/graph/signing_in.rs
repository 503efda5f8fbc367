//! Tokens: secrets, certificates, expiry, rights, and what `doctor` says of all that.

use syncline::connector::graph::{Assertion, Graph, Settings};
use syncline::connector::secret::Secret;
use syncline::connector::{ConnectorError, ConnectorErrorKind, ExportOutcome, FindingLevel, ImportEnd, ImportRequest};
use syncline::emulator;

use crate::world::*;

#[tokio::test]
async fn a_wrong_secret_is_explained_and_not_shown() {
    let world = World::tuned(emulator::Settings::default(), |settings| {
        settings.client_secret = Some(Secret::Known("s3cr3t-of-ours"));
    })
    .await;
    let error = world.graph.facts().await.expect_err("a wrong secret");
    assert_eq!(error.kind, ConnectorErrorKind::Credentials);
    assert!(error.message.contains("AADSTS7000215") && !error.message.contains("Trace ID"), "{error}");
    assert!(error.hint.as_deref().is_some_and(|hint| hint.contains("secret's value")), "{error:?}");
    assert!(!format!("{error:?}").contains("s3cr3t"), "{error:?}");
    let findings = world.graph.doctor().await;
    assert_eq!(findings.iter().map(|finding| finding.level).collect::<Vec<_>>(), [FindingLevel::Error]);
}

/// A new key and its certificate, PEM.
fn key_and_certificate() -> (String, String) {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).expect("a key");
    let certificate = rcgen::CertificateParams::new(Vec::new()).expect("parameters").self_signed(&key).expect("signed");
    (key.serialize_pem(), certificate.pem())
}

/// Signs in with what a file holds; the emulator checks signature, thumbprint, audience and times.
async fn sign_in(registered: &str, held: &str, assertion: Assertion) -> Result<String, ConnectorError> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("app.pem");
    std::fs::write(&file, held).expect("written");
    let app = emulator::App { secret: None, certificate: Some(registered.into()), ..emulator::App::default() };
    let world = World::tuned(emulator::Settings { apps: vec![app], ..emulator::Settings::default() }, |settings| {
        settings.client_secret = None;
        settings.certificate = Some(Secret::File(file));
        settings.assertion = assertion;
    })
    .await;
    world.graph.facts().await.map(|facts| facts.name)
}

#[tokio::test]
async fn a_certificate_signs_in() {
    let (key, certificate) = key_and_certificate();
    for assertion in [Assertion::PS256, Assertion::RS256] {
        for held in [format!("{key}{certificate}"), format!("{certificate}{key}")] {
            assert_eq!(sign_in(&certificate, &held, assertion).await.as_deref(), Ok("Contoso"), "{assertion:?}");
        }
    }
}

#[tokio::test]
async fn a_certificate_that_cannot_sign_in_is_explained() {
    let (key, certificate) = key_and_certificate();
    let (other_key, other_certificate) = key_and_certificate();
    let (settings, credentials) = (ConnectorErrorKind::Settings, ConnectorErrorKind::Credentials);
    for (held, kind, part) in [
        (key.clone(), settings, "`certificate` holds no certificate"),
        (certificate.clone(), settings, "`certificate` holds no RSA key"),
        (format!("{other_key}{certificate}"), credentials, "AADSTS700027"),
        (format!("{other_key}{other_certificate}"), credentials, "AADSTS700027"),
    ] {
        let error = sign_in(&certificate, &held, Assertion::PS256).await.expect_err("no token");
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(part), "{error}");
        assert!(!format!("{error:?}").contains("PRIVATE KEY"), "{error:?}");
    }
}

#[tokio::test]
async fn a_token_that_is_not_taken_any_more_is_renewed_once() {
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let settings = || emulator::Settings { port, ..emulator::Settings::default() };
    let world = World::with(settings()).await;
    world.users(2).await;
    // Another one in its place has another key, and takes none of the old tokens.
    let World { emulator, graph, client } = world;
    emulator.stop().await.expect("stopped");
    let emulator = emulator::start(settings()).await.expect("started");
    let world = World { emulator, graph, client };
    let users = world.users(3).await;
    assert_eq!(world.everything().await.len(), 3);
    let change = serde_json::json!({"city": "Ulm"});
    assert_eq!(world.export_one("user", update(&users[0], change)).await, done());
    let stats = world.admin("stats", serde_json::Value::Null).await;
    assert_eq!(stats["requests"]["POST token"], 1, "{stats}");
}

#[tokio::test]
async fn missing_rights_are_named() {
    let app = emulator::App { roles: vec!["User.Read.All".into()], ..emulator::App::default() };
    let world = World::with(emulator::Settings { apps: vec![app], ..emulator::Settings::default() }).await;
    let outcome = world.export_one("user", user("anna")).await;
    let ExportOutcome::Refused { code, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(code, "Authorization_RequestDenied");
    // Users could be read, groups could not: nothing follows from absence.
    let (_, end) = world.import(wanted()).await;
    let ImportEnd::Incomplete(reasons) = end else { panic!("{end:?}") };
    assert!(reasons[0].contains("groups") && reasons[0].contains("Authorization_RequestDenied"), "{reasons:?}");
    let groups = ImportRequest { types: [("group".to_owned(), names(&[]))].into() };
    let (sender, _receiver) = tokio::sync::mpsc::channel(4);
    let error = world.graph.import(&groups, sender).await.expect_err("no right");
    assert_eq!(error.kind, ConnectorErrorKind::Rights);
    let findings = world.graph.doctor().await;
    let wrong: Vec<&str> = findings
        .iter()
        .filter(|finding| finding.level == FindingLevel::Error)
        .map(|finding| finding.subject.as_str())
        .collect();
    assert_eq!(wrong, ["User.ReadWrite.All", "Group.ReadWrite.All", "Organization.Read.All", "tenant"]);
}

#[tokio::test]
async fn doctor_finds_everything_in_order() {
    let world = World::new().await;
    let findings = world.graph.doctor().await;
    let levels: Vec<(&str, FindingLevel)> =
        findings.iter().map(|finding| (finding.subject.as_str(), finding.level)).collect();
    let subjects = [
        "token",
        "User.ReadWrite.All",
        "Group.ReadWrite.All",
        "Organization.Read.All",
        "users",
        "clock",
        "tenant",
        "roles",
        "coexistence",
    ];
    assert_eq!(levels, subjects.map(|subject| (subject, FindingLevel::Ok)));
}

#[tokio::test]
async fn nobody_there_is_said_with_the_address() {
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let url = format!("http://{free}");
    let graph = Graph::new(Settings { retry_pause_ms: 1, ..Settings::for_emulator(&url, TENANT) }).expect("settings");
    let error = graph.facts().await.expect_err("nobody there");
    assert_eq!(error.kind, ConnectorErrorKind::Unreachable);
    assert!(error.message.contains(&url), "{error}");
}

#[tokio::test]
async fn an_authority_that_is_not_trusted_is_said_so() {
    let settings = emulator::Settings { tls: true, ..emulator::Settings::default() };
    let world = World::tuned(settings, |settings| settings.ca_file = None).await;
    let error = world.graph.facts().await.expect_err("an unknown authority");
    assert_eq!(error.kind, ConnectorErrorKind::Tls, "{error}");
    assert!(error.hint.as_deref().is_some_and(|hint| hint.contains("ca_file")), "{error:?}");
}

#[test]
fn settings_that_cannot_work_are_refused_at_once() {
    let settings = || Settings::for_emulator("http://127.0.0.1:1", TENANT);
    let error = |settings: Settings| Graph::new(settings).err().map(|error| error.kind);
    let wrong = Some(ConnectorErrorKind::Settings);
    assert_eq!(error(settings()), None);
    assert_eq!(error(Settings { client_secret: None, ..settings() }), wrong);
    assert_eq!(error(Settings { certificate: Some(Secret::File("x".into())), ..settings() }), wrong);
    assert_eq!(error(Settings { login_url: "http://login.example".into(), ..settings() }), wrong);
    assert_eq!(error(Settings { ca_file: Some("/nowhere/ca.pem".into()), ..settings() }), wrong);
}
