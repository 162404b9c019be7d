//! The blocking host against real processes: libfaas's probe, programs of the system, and functions
//! in `sh` that misbehave.

mod misbehaving;
mod oneshot;
mod probe;

use std::time::{Duration, Instant};

use libfaas::host::{Blocking, Revision, Settings, Times};
use libfaas::{Code, Context, Data, Event, Manifest, Status};

/// Times long enough for a busy machine, but for those that tests wait for.
fn settings() -> Settings {
    let times = Times {
        init: Duration::from_secs(15),
        cancel_grace: Duration::from_millis(200),
        drain: Duration::from_secs(15),
        term_grace: Duration::from_millis(300),
    };
    Settings {
        times,
        ..Settings::default()
    }
}

/// A function of these members of a manifest, besides its name.
fn function(members: &str) -> Blocking {
    function_with(settings(), members)
}

fn function_with(settings: Settings, members: &str) -> Blocking {
    let manifest = Manifest::from_yaml(&format!("{{fsi: \"1.0\", name: f, {members}}}"));
    let manifest = manifest.unwrap_or_else(|error| panic!("{error}: {members}"));
    let revision = Revision::new(manifest, "/", "acme", "r1", &settings).unwrap();
    Blocking::new(revision, settings)
}

/// `command` of a script for `sh`.
fn script(script: &str) -> String {
    format!(
        "command: [sh, -c, {}]",
        serde_json::to_string(script).unwrap()
    )
}

/// A function in stream mode and JSON that is a script for `sh`.
fn stream(text: &str) -> Blocking {
    let script = script(text);
    function(&format!(
        "{script}, modes: [stream], limits: {{timeout: 20s}}"
    ))
}

fn event(data: impl Into<Data>) -> Event {
    let event = Event::builder("7", "/s", "t").datacontenttype("text/plain");
    event.data(data).build().unwrap()
}

fn call(function: &mut Blocking) -> Result<Vec<Event>, Status> {
    function.call(Context::default(), event("in"))
}

fn code(outcome: Result<Vec<Event>, Status>) -> Code {
    outcome.map_or_else(|status| status.code, |_| Code::Ok)
}

/// Before anything ends by itself that sleeps for a minute, or a deadline of twenty seconds comes.
fn soon(work: impl FnOnce()) {
    let start = Instant::now();
    work();
    let took = start.elapsed();
    assert!(took < Duration::from_secs(15), "it took {took:?}");
}
