//! Metrics in OpenMetrics' text, which Prometheus reads.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use libfaas::Code;
use libfaas::host::{Host, State};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// The media type of the text.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is measured of calls. Clones measure the same. Labels are tenants, functions and codes,
/// never what a client chose.
#[derive(Clone)]
pub struct Metrics(Arc<Families>);

struct Families {
    calls: Family<Ended, Counter>,
    seconds: Family<Of, Histogram, fn() -> Histogram>,
    refused: Family<Refused, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    tenant: String,
    function: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    tenant: String,
    function: String,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    status: u16,
}

/// From a static function that is warm to one that takes its whole minute.
const SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
];

impl Default for Metrics {
    /// Nothing measured yet.
    fn default() -> Self {
        let seconds: fn() -> Histogram = || Histogram::new(SECONDS);
        Metrics(Arc::new(Families {
            calls: Family::default(),
            seconds: Family::new_with_constructor(seconds),
            refused: Family::default(),
        }))
    }
}

impl Metrics {
    /// A call has ended.
    pub fn called(&self, tenant: &str, function: &str, code: Code, took: Duration) {
        let of = Of {
            tenant: tenant.to_owned(),
            function: function.to_owned(),
        };
        self.0
            .seconds
            .get_or_create(&of)
            .observe(took.as_secs_f64());
        let Of { tenant, function } = of;
        let ended = Ended {
            tenant,
            function,
            code: code.name(),
        };
        self.0.calls.get_or_create(&ended).inc();
    }

    /// A request was answered without a call.
    pub fn refused(&self, status: u16) {
        self.0.refused.get_or_create(&Refused { status }).inc();
    }

    /// All of it, and what the host has to say of its functions.
    pub fn text(&self, host: &Host) -> String {
        let mut registry = Registry::with_prefix("fsi");
        let families = &self.0;
        registry.register(
            "calls",
            "Calls that have ended, by code",
            families.calls.clone(),
        );
        let help = "Time from a call's event to its results";
        let unit = Unit::Seconds;
        registry.register_with_unit("call_duration", help, unit, families.seconds.clone());
        let help = "Requests that were answered without a call, by HTTP status";
        registry.register("requests_refused", help, families.refused.clone());
        registry.register_collector(Box::new(Functions::of(host)));
        let mut text = String::new();
        encode(&mut text, &registry).expect("a String takes all");
        text
    }
}

/// A host's functions at one moment.
#[derive(Debug)]
struct Functions(BTreeMap<(String, String), Figures>);

#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    ready: bool,
    instances: usize,
    open: usize,
    queued: usize,
    starts: u64,
    retries: u64,
}

impl Functions {
    fn of(host: &Host) -> Functions {
        let mut functions: BTreeMap<_, Figures> = BTreeMap::new();
        for state in host.functions() {
            // One that was removed may still be drained while another of its name is there.
            let figures = functions.entry((state.tenant, state.name)).or_default();
            figures.ready |= matches!(state.state, State::Ready);
            figures.instances += state.instances;
            figures.open += state.open;
            figures.queued += state.queued;
            figures.starts += state.counters.starts;
            figures.retries += state.counters.retries;
        }
        Functions(functions)
    }

    fn gauge(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        value: fn(&Figures) -> usize,
    ) -> fmt::Result {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for ((tenant, function), figures) in &self.0 {
            let labels = [("tenant", tenant.as_str()), ("function", function.as_str())];
            let value = i64::try_from(value(figures)).unwrap_or(i64::MAX);
            ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn counter(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        value: fn(&Figures) -> u64,
    ) -> fmt::Result {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for ((tenant, function), figures) in &self.0 {
            let labels = [("tenant", tenant.as_str()), ("function", function.as_str())];
            ConstCounter::new(value(figures)).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl Collector for Functions {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let e = &mut encoder;
        self.gauge(e, "function_ready", "Whether calls are served", |f| {
            usize::from(f.ready)
        })?;
        self.gauge(e, "instances", "Instances of all revisions", |f| {
            f.instances
        })?;
        self.gauge(e, "calls_open", "Calls that instances have", |f| f.open)?;
        self.gauge(e, "calls_queued", "Calls that wait for an instance", |f| {
            f.queued
        })?;
        self.counter(e, "instance_starts", "Instances that were started", |f| {
            f.starts
        })?;
        // Every instance that is not there any more was drained or has died.
        self.counter(e, "instance_ends", "Instances that have ended", |f| {
            f.starts.saturating_sub(f.instances as u64)
        })?;
        self.counter(e, "call_retries", "Attempts beyond the first", |f| {
            f.retries
        })
    }
}

#[cfg(test)]
mod tests {
    use libfaas::host::Settings;

    use super::*;

    #[tokio::test]
    async fn text_has_calls_and_functions() {
        let metrics = Metrics::default();
        metrics.called("acme", "thumb", Code::Ok, Duration::from_millis(3));
        metrics.called("acme", "thumb", Code::NotFound, Duration::from_millis(30));
        metrics.refused(404);
        let host = Host::new(Settings::default()).unwrap();
        let manifest = "{fsi: '1.0', name: shout, command: [tr, a-z, A-Z], modes: [binary]}";
        let manifest = libfaas::Manifest::from_yaml(manifest).unwrap();
        host.deploy("acme", manifest, "/".into()).await.unwrap();
        let text = metrics.text(&host);
        for line in [
            r#"fsi_calls_total{tenant="acme",function="thumb",code="OK"} 1"#,
            r#"fsi_calls_total{tenant="acme",function="thumb",code="NOT_FOUND"} 1"#,
            r#"fsi_call_duration_seconds_bucket{le="0.005",tenant="acme",function="thumb"} 1"#,
            r#"fsi_call_duration_seconds_count{tenant="acme",function="thumb"} 2"#,
            r#"fsi_requests_refused_total{status="404"} 1"#,
            r#"fsi_function_ready{tenant="acme",function="shout"} 1"#,
            r#"fsi_instances{tenant="acme",function="shout"} 0"#,
            r#"fsi_instance_starts_total{tenant="acme",function="shout"} 0"#,
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        host.shutdown().await;
    }
}
