//! `syncline emulate`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Exit;
use super::output::{print, say};
use crate::emulator::{self, Faults, Throttling};
use crate::run::RunError;

/// Starts a stand-in for a cloud directory.
#[derive(Subcommand)]
pub(super) enum EmulateCommand {
    /// Microsoft Entra ID: tokens and Graph, on one port of this machine.
    Entra(EntraArguments),
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  syncline emulate entra --port 8080\n  syncline emulate entra --https --folder tenant --throttle 10"
)]
pub(super) struct EntraArguments {
    /// The port; a free one without.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Serves HTTPS, with an authority of its own in `<folder>/ca.pem`.
    #[arg(long, requires = "folder")]
    https: bool,
    /// Keeps the tenant here; in memory without.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// The name of the tenant.
    #[arg(long, default_value = "contoso.onmicrosoft.com")]
    tenant: String,
    /// Throttles as Graph does, so many times faster; not at all without.
    #[arg(long, value_name = "FACTOR")]
    throttle: Option<f64>,
    /// How long new objects stay invisible, in milliseconds.
    #[arg(long, default_value_t = 0)]
    replication_delay: u64,
    /// How many objects the tenant takes; those in the recycle bin count.
    #[arg(long, value_name = "OBJECTS", default_value_t = 300_000)]
    quota: u64,
    /// Faults as JSON: see the admin endpoint `/_emulator/faults`.
    #[arg(long, value_name = "JSON")]
    faults: Option<String>,
}

pub(super) fn run(command: &EmulateCommand) -> Result<Exit, RunError> {
    let EmulateCommand::Entra(arguments) = command;
    let faults: Faults = match &arguments.faults {
        Some(json) => serde_json::from_str(json).map_err(|error| RunError::Unknown(format!("`--faults`: {error}")))?,
        None => Faults::default(),
    };
    let settings = emulator::Settings {
        port: arguments.port,
        tls: arguments.https,
        throttle: arguments.throttle.map_or(Throttling::Off, Throttling::Factor),
        replication_delay_ms: arguments.replication_delay,
        quota: arguments.quota,
        faults,
        ..emulator::Settings::for_tenant(&arguments.tenant, arguments.folder.clone())
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| RunError::Runtime(error.to_string()))?;
    runtime.block_on(async {
        let failed = |error: emulator::EmulatorError| RunError::Runtime(format!("the emulator: {error}"));
        let emulator = emulator::start(settings).await.map_err(failed)?;
        print(&emulator.base_url);
        say(&format!("tenant {}; app 00001111-aaaa-2222-bbbb-3333cccc4444, secret emulator-secret", arguments.tenant));
        if let Some(file) = &emulator.ca_file {
            say(&format!("its authority: {}", file.display()));
        }
        say("Ctrl-C stops it");
        let _ = tokio::signal::ctrl_c().await;
        emulator.stop().await.map_err(failed)
    })?;
    Ok(Exit::Success)
}
