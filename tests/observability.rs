//! Watching `syncline serve`: the built program, a folder, an emulator, and whoever asks, listens, and is told.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it must be")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use syncline::emulator;
use syncline::observe::KINDS;
use syncline::observe::metrics::Metrics;

#[path = "common/deployment.rs"]
mod deployment;
use deployment::{CONFIG, Deployment};

/// How long anything may take before the test fails.
const LONG: Duration = Duration::from_secs(60);

/// What was posted somewhere: the path and the body.
type Posted = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A server that takes whatever is posted; the first `refusals` are answered with an error.
fn receiver(mut refusals: usize) -> (String, Posted) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let posted = Posted::default();
    let kept = Arc::clone(&posted);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let (head, body) = message(&mut reader);
            let status = if refusals > 0 { "500 No" } else { "200 OK" };
            refusals = refusals.saturating_sub(1);
            if status == "200 OK" {
                let path = head.split_whitespace().nth(1).unwrap_or_default().to_owned();
                kept.lock().unwrap().push((path, body));
            }
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = reader.get_mut().write_all(answer.as_bytes());
        }
    });
    (address, posted)
}

/// The first line and the body of a request or an answer.
fn message(reader: &mut BufReader<TcpStream>) -> (String, Vec<u8>) {
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).unwrap();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.to_ascii_lowercase().split_once(':') {
            Some(("content-length", value)) => length = value.trim().parse().unwrap(),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (first, body)
}

fn get(address: &str, path: &str, accept: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let (first, body) = message(&mut BufReader::new(stream));
    (first.split(' ').nth(1).unwrap().parse().unwrap(), String::from_utf8(body).unwrap())
}

/// A deployment that is served, with an emulator of the test's own.
struct World {
    deployment: Deployment,
    process: Child,
    emulator: emulator::Emulator,
    runtime: tokio::runtime::Runtime,
}

impl World {
    fn start(sections: &str, environment: &[(&str, &str)]) -> World {
        let deployment = Deployment::new();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let settings = emulator::Settings::for_tenant("contoso.onmicrosoft.com", None);
        let emulator = runtime.block_on(emulator::start(settings)).unwrap();
        let entra = format!(
            "client_id = \"00001111-aaaa-2222-bbbb-3333cccc4444\"\nclient_secret = \"env:ENTRA\"\n\
             login_url = \"{0}\"\ngraph_url = \"{0}\"\nwrites_per_150s = 0\nretry_pause_ms = 10\n",
            emulator.base_url
        );
        deployment.write("syncline.toml", &(CONFIG.replace("emulator = true\n", &entra) + sections));
        let log = fs::File::create(deployment.path("log")).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_syncline"))
            .args(["serve", "--every", "1", "--log", "json"])
            .current_dir(deployment.path(""))
            .env("ENTRA", "emulator-secret")
            .envs(environment.iter().copied())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        World { deployment, process, emulator, runtime }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.deployment.path("log")).unwrap()
    }

    /// Every line, as an object; one that is being written may be cut off.
    fn lines(&self) -> Vec<Json> {
        let log = self.log();
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).map_err(|_| line).unwrap()).collect()
    }

    fn until<T>(&self, what: &str, there: impl Fn() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = there() {
                return found;
            }
            assert!(begun.elapsed() < LONG, "{what} did not come:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn line(&self, what: &str, fits: impl Fn(&Json) -> bool) -> Json {
        self.until(what, || self.lines().into_iter().find(|line| line["message"] == what && fits(line)))
    }

    /// Where it listens: it says so.
    fn address(&self) -> String {
        let line = self.until("an address", || {
            let metrics = |line: &Json| line["message"].as_str().is_some_and(|text| text.starts_with("metrics on "));
            self.lines().into_iter().find(metrics)
        });
        let url = line["message"].as_str().unwrap().trim_start_matches("metrics on http://").to_owned();
        url.trim_end_matches("/metrics").to_owned()
    }

    fn ask_emulator(&self, path: &str) -> Json {
        let url = format!("{}{path}", self.emulator.base_url);
        self.runtime.block_on(async { reqwest::get(url).await.unwrap().json().await.unwrap() })
    }

    fn stop(&mut self) {
        assert!(Command::new("kill").arg(self.process.id().to_string()).status().unwrap().success());
        self.process.wait().unwrap();
    }
}

/// A tenant that takes connections and says nothing any more.
fn silence(world: &mut World) -> TcpListener {
    let settings = emulator::Settings::for_tenant("contoso.onmicrosoft.com", None);
    let other = world.runtime.block_on(emulator::start(settings)).unwrap();
    let emulator = std::mem::replace(&mut world.emulator, other);
    let address = emulator.base_url.trim_start_matches("http://").to_owned();
    world.runtime.block_on(emulator.stop()).unwrap();
    TcpListener::bind(address).unwrap()
}

#[test]
fn whoever_waits_for_a_tenant_that_says_nothing_is_alive() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    let signs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&signs);
    std::thread::spawn(move || {
        let mut text = [0; 100];
        while let Ok(length) = manager.recv(&mut text) {
            let sign = text[..length].starts_with(b"WATCHDOG=1");
            counted.fetch_add(usize::from(sign), Ordering::Relaxed);
        }
    });
    let mut world = World::start("", &[("NOTIFY_SOCKET", socket.to_str().unwrap())]);
    world.line("export", |line| line["created"] == 4);
    let _silent = silence(&mut world);
    world.deployment.people(0..5);
    // Whatever it was at has ended by now, and it waits.
    std::thread::sleep(Duration::from_secs(4));
    let runs = || world.lines().iter().filter(|line| line["message"] == "run").count();
    let before = (runs(), signs.load(Ordering::Relaxed));
    std::thread::sleep(Duration::from_secs(5));
    assert!(signs.load(Ordering::Relaxed) >= before.1 + 3, "{} after {}", signs.load(Ordering::Relaxed), before.1);
    assert_eq!(runs(), before.0, "it was not waiting: {}", world.log());
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The value of a sample.
fn sample(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn what_whoever_watches_sees_from_a_change_to_graph_and_back() {
    let (collector, traces) = receiver(0);
    let serve = format!("\n[serve]\nlisten = \"127.0.0.1:0\"\notlp = \"{collector}\"\n");
    let mut world = World::start(&serve, &[]);
    let address = world.address();
    let metrics = || get(&address, "/metrics", "text/plain").1;
    let is = |name: &str, value: f64| (sample(&metrics(), name) == Some(value)).then_some(());

    let created = "syncline_exported_total{connector=\"entra\",what=\"created\"}";
    world.until("the first export", || is(created, 4.0));
    world.until("readiness", || (get(&address, "/readyz", "*/*").0 == 200).then_some(()));
    assert_eq!(get(&address, "/healthz", "*/*").0, 200);
    let before = metrics();
    let lag = "syncline_change_lag_seconds_count{connector=\"ad\"}";
    let told = sample(&before, lag).unwrap();
    assert!(sample(&before, "syncline_runs_total{outcome=\"done\"}").unwrap() >= 1.0, "{before}");
    assert_eq!(sample(&before, "syncline_connector_up{connector=\"ad\"}"), Some(1.0));
    world.until("a count of objects", || is("syncline_objects{connector=\"ad\",type=\"user\"}", 4.0));

    world.deployment.people(0..5);
    world.until("the change", || is(created, 5.0));
    let after = metrics();
    assert_eq!(sample(&after, lag), Some(told + 1.0));
    let soon = "syncline_change_lag_seconds_bucket{connector=\"ad\",le=\"10\"}";
    assert_eq!(sample(&after, soon), Some(told + 1.0), "{after}");
    assert!(get(&address, "/metrics", "application/openmetrics-text").1.ends_with("# EOF\n"));

    // From the log line of the run to the request at Graph, and from the store to the same.
    let line = world.line("export", |line| line["created"] == 1);
    let (run, id) = (line["run"].as_u64().unwrap(), line["id"].as_str().unwrap().to_owned());
    assert_eq!((line["level"].as_str(), line["connector"].as_str()), (Some("INFO"), Some("entra")));
    assert!(line["timestamp"].is_string());
    let log = world.ask_emulator("/_emulator/log");
    let of_run = |entry: &&Json| entry["client-request-id"].as_str().is_some_and(|it| it[..24] == id[..24]);
    let writes: Vec<&Json> = log.as_array().unwrap().iter().filter(of_run).collect();
    assert_eq!(writes.len(), 1, "{log}");
    assert!(!log.to_string().contains(&id), "the run itself is number 0: {log}");
    assert!(world.deployment.run(&format!("show run {run}")).contains("client-request-id"));

    fs::rename(world.deployment.path("people.ldif"), world.deployment.path("away")).unwrap();
    world.until("a connector that is down", || is("syncline_connector_up{connector=\"ad\"}", 0.0));
    let (status, body) = get(&address, "/readyz", "*/*");
    let body: Json = serde_json::from_str(&body).unwrap();
    assert_eq!((status, body["ready"].as_bool()), (503, Some(false)));
    assert!(body["reasons"][0].as_str().unwrap().starts_with("`ad` does not answer"), "{body}");
    assert_eq!(get(&address, "/healthz", "*/*").0, 200);
    fs::rename(world.deployment.path("away"), world.deployment.path("people.ldif")).unwrap();
    world.until("readiness again", || (get(&address, "/readyz", "*/*").0 == 200).then_some(()));

    world.stop();
    assert!(!world.log().contains("emulator-secret"), "a secret in the log");
    let traces = traces.lock().unwrap();
    let told: Vec<u8> = traces.iter().flat_map(|(_, body)| body.clone()).collect();
    let told = String::from_utf8_lossy(&told);
    for span in ["cycle", "import", "sync", "export", "graph batch"] {
        assert!(told.contains(span), "no span `{span}`");
    }
    assert!(traces.iter().all(|(path, _)| path == "/v1/traces"));
}

#[test]
fn who_is_told_what_is_wrong() {
    let (address, posted) = receiver(1);
    let sections = "\n[serve]\nlisten = \"127.0.0.1:0\"\n\
                    [alert]\nurl = \"env:HOOK\"\ncommand = [\"sh\", \"-c\", \"cat >> mails\"]\n";
    let world = World::start(sections, &[("HOOK", &format!("{address}/T0/very-secret"))]);
    let here = world.address();
    world.until("readiness", || (get(&here, "/readyz", "*/*").0 == 200).then_some(()));
    let notices = || -> Vec<Json> {
        posted.lock().unwrap().iter().map(|(_, body)| serde_json::from_slice(body).unwrap()).collect()
    };
    let find = |state: &str| notices().into_iter().find(|it| it["alert"] == "guard_stopped" && it["state"] == state);

    world.deployment.people(0..1);
    let begun = world.until("an alert", || find("begins"));
    assert!(begun["message"].as_str().unwrap().contains("delete 3 of 4 users"), "{begun}");
    assert_eq!(get(&here, "/readyz", "*/*").0, 503);
    let active = "syncline_alert_active{alert=\"guard_stopped\",subject=\"\"}";
    assert_eq!(sample(&get(&here, "/metrics", "*/*").1, active), Some(1.0));
    world.deployment.people(0..4);
    world.until("the end of the alert", || find("ends"));
    let count = notices().iter().filter(|notice| notice["alert"] == "guard_stopped").count();
    assert_eq!(count, 2, "each is told once: {:?}", notices());
    let mails = world.until("mails", || {
        let text = fs::read_to_string(world.deployment.path("mails")).unwrap_or_default();
        text.contains("\"ends\"").then_some(text)
    });
    assert!(mails.contains("\"guard_stopped\""));
    assert!(!world.log().contains("very-secret"), "a URL that holds a secret is in the log");
    let failed = "syncline_alerts_sent_total{to=\"webhook\",outcome=\"failed\"}";
    assert_eq!(sample(&get(&here, "/metrics", "*/*").1, failed), Some(1.0));
}

/// Names that look like ours in a text; histograms show under three more.
fn named(text: &str) -> BTreeSet<String> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = text.split(|letter| !is_word(letter)).filter(|word| word.starts_with("syncline_"));
    words
        .map(|word| {
            let base = ["_bucket", "_sum", "_count"].into_iter().find_map(|end| word.strip_suffix(end));
            base.filter(|base| base.ends_with("_seconds")).unwrap_or(word).to_owned()
        })
        .collect()
}

#[test]
fn dashboard_and_documentation_name_what_is_there() {
    let root = env!("CARGO_MANIFEST_DIR");
    let read = |name: &str| fs::read_to_string(format!("{root}/docs/{name}")).unwrap();
    let exported: BTreeSet<String> = Metrics::default().names.into_keys().collect();
    let dashboard: Json = serde_json::from_str(&read("grafana.json")).unwrap();
    let shown = named(&dashboard.to_string());
    assert!(shown.len() > 20, "{shown:?}");
    assert_eq!(shown.difference(&exported).collect::<Vec<_>>(), Vec::<&String>::new(), "shown, and not exported");
    let text = read("observability.md");
    let documented = named(&text);
    assert_eq!(documented.difference(&exported).collect::<Vec<_>>(), Vec::<&String>::new(), "documented, not exported");
    assert_eq!(exported.difference(&documented).collect::<Vec<_>>(), Vec::<&String>::new(), "exported, not documented");
    for kind in KINDS {
        assert!(text.contains(&format!("`{kind}`")), "the alert `{kind}` is not documented");
    }
}
