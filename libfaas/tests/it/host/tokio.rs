//! The host for many calls at once, with functions that behave and functions that don't.

mod calls;
mod lives;
mod oneshot;
mod pipelines;

use std::path::PathBuf;
use std::time::Duration;

use libfaas::host::{Call, Host, HostOptions, LogSink, Part};
use libfaas::{Code, Context, Event, Manifest, Status};

/// Where `function.py` is.
fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/host/tokio"))
}

/// A manifest of `function.py` under this name with further members, as YAML in braces.
fn manifest(name: &str, members: &str) -> Manifest {
    let yaml = format!(
        "{{fsi: \"1.0\", name: {name}, command: [python3, function.py], modes: [stream], {members}}}"
    );
    Manifest::from_yaml(&yaml).unwrap()
}

/// Times that make a test short, but for those that a function needs that does what it should, on a
/// machine that may be busy.
fn options() -> HostOptions {
    let mut options = HostOptions::default();
    options.settings.times.cancel_grace = Duration::from_secs(15);
    options.settings.times.drain = Duration::from_secs(2);
    options.settings.times.term_grace = Duration::from_millis(300);
    options
}

/// For functions that don't heed a cancel.
fn impatient(mut options: HostOptions) -> HostOptions {
    options.settings.times.cancel_grace = Duration::from_millis(200);
    options
}

/// No call is tried again.
fn once(mut options: HostOptions) -> HostOptions {
    options.retry.attempts = 1;
    options
}

/// One instance at a time.
fn alone(mut options: HostOptions) -> HostOptions {
    options.scale.max = 1;
    options
}

/// A host with one function, `f` of the tenant `t`.
async fn host(options: HostOptions, members: &str) -> Host {
    let host = Host::new(options).unwrap();
    let deployed = host
        .deploy("t", manifest("f", members), folder())
        .await
        .unwrap();
    assert_eq!(deployed.status, Status::ok());
    host
}

fn event(ty: &str, json: &str) -> Event {
    let event = Event::builder("1", "/test", ty);
    event
        .data(libfaas::JsonText::new(json).unwrap())
        .build()
        .unwrap()
}

fn call(host: &Host) -> Call {
    host.call("t", "f", Context::default()).unwrap()
}

async fn unary(host: &Host, ty: &str, json: &str) -> Result<Vec<Event>, Status> {
    within(call(host).unary(event(ty, json))).await
}

/// The JSON data of the only event.
fn data(result: Result<Vec<Event>, Status>) -> serde_json::Value {
    let events = result.unwrap();
    let [event] = &events[..] else {
        panic!("{events:?}")
    };
    serde_json::from_slice(event.data().unwrap().as_bytes()).unwrap()
}

/// What must not take long does not.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("it took too long")
}

fn code(result: &Result<Vec<Event>, Status>) -> Code {
    result
        .as_ref()
        .map_or_else(|status| status.code, |_| Code::Ok)
}

/// A call that hangs, after its first event: that of the process that has it.
async fn hanging(host: &Host, json: &str) -> (Call, i32) {
    let mut call = call(host);
    call.send(Part::last(event("hang", json))).await;
    let part = within(call.next()).await.unwrap();
    let event = part.event.expect("it says who it is");
    (
        call,
        String::from_utf8_lossy(event.data().unwrap().as_bytes())
            .parse()
            .unwrap(),
    )
}

fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // What follows the name in parentheses: a zombie is not alive.
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

/// Waits until a process is gone, which is soon.
async fn gone(pid: i32) {
    within(async {
        while is_alive(pid) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}
