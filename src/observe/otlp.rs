//! Traces to an OpenTelemetry collector, over HTTP: cycle, import, synchronisation, export, and each batch to Graph. The only
//! place that knows OpenTelemetry.

use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracerProvider, Tracer};
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::registry::LookupSpan;

/// How long the end waits for a collector.
const PATIENCE: Duration = Duration::from_secs(3);

/// The way to a collector.
pub(super) struct Traces(SdkTracerProvider);

impl Traces {
    /// Sends to a collector, whose URL is without the path. Nothing is sent yet.
    ///
    /// # Errors
    /// When the URL cannot be used.
    pub(super) fn to(url: &str) -> Result<Traces, String> {
        let address = format!("{}/v1/traces", url.trim_end_matches('/'));
        let exporter = SpanExporter::builder().with_http().with_endpoint(address).with_timeout(PATIENCE).build();
        let exporter = exporter.map_err(|error| format!("`otlp`: {error}"))?;
        let resource = Resource::builder().with_service_name("syncline").build();
        Ok(Traces(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build()))
    }

    pub(super) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> OpenTelemetryLayer<S, Tracer> {
        tracing_opentelemetry::layer().with_tracer(self.0.tracer("syncline")).with_location(false).with_threads(false)
    }

    /// Sends what is left. A collector that is away keeps nobody long.
    pub(super) fn end(self) {
        let _ = self.0.shutdown_with_timeout(PATIENCE);
    }
}
