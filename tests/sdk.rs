//! Microsoft's own clients, unmodified, against the emulated Entra ID. `tests/sdk/install` brings them; without them these
//! tests fail.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// `syncline emulate entra`, over HTTPS with an authority of its own, until it is dropped.
struct Emulator {
    process: Child,
    root: String,
    folder: tempfile::TempDir,
}

impl Emulator {
    fn start() -> Emulator {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_syncline"))
            .args(["emulate", "entra", "--https", "--folder"])
            .arg(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut root = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut root).unwrap();
        Emulator { process, root: root.trim().to_owned(), folder }
    }

    fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs a script of `tests/sdk` with a client that was installed.
fn check(client: &str, script: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let clients = root.join("target/sdk");
    assert!(clients.join("installed").exists(), "the clients are missing: run tests/sdk/install");
    // Modules of JavaScript are looked for beside the script.
    let copy = clients.join(script);
    std::fs::copy(root.join("tests/sdk").join(script), &copy).unwrap();
    let emulator = Emulator::start();
    let output = Command::new(client.replace("CLIENTS", &clients.display().to_string()))
        .arg(copy)
        .arg(&emulator.root)
        .arg(emulator.authority())
        .args(["contoso.onmicrosoft.com", "00001111-aaaa-2222-bbbb-3333cccc4444", "emulator-secret"])
        .env("NODE_EXTRA_CA_CERTS", emulator.authority())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("everything as in a tenant"), "{said}");
}

#[test]
fn the_sdk_for_python() {
    check("CLIENTS/python/bin/python", "graph.py");
}

#[test]
fn the_client_for_javascript() {
    check("node", "graph.mjs");
}
