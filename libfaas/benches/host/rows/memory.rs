//! What an idle function and an idle instance cost.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use libfaas::host::{Host, HostOptions, Part, Scale};
use libfaas::{Context, Manifest, Status};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::Entry;
use crate::comparison::{Bound, Comparison, Unit};
use crate::event::event;
use crate::{ours, programs};

const INSTANCES: usize = 1000;

pub(super) fn entries() -> Vec<Entry> {
    vec![
        Entry::new("memory-function", "memory of an idle function", 1, |_| {
            function()
        }),
        Entry::new(
            "memory-host",
            "memory of the host, 1,000 idle instances",
            2,
            |_| host(),
        ),
    ]
}

/// Resident memory: every page that the process has, those too that it shares.
fn resident(pid: u32) -> Result<f64, String> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    Ok(kilobytes.ok_or(format!("{path}: no VmRSS"))? * 1024.0)
}

/// A function of this library that waits for its next call.
fn function() -> Result<Comparison, String> {
    let mut all = Comparison::new(Unit::Bytes);
    let most = Bound::AtMost(3.0 * 1024.0 * 1024.0);
    let hello = programs::hello().map(|program| ours::manifest_of(&[&program], 1));
    all.try_row("examples/hello", &[], most, hello.and_then(idle));
    // The same library in a larger program.
    all.try_row(
        "this benchmark",
        &[],
        None,
        idle(ours::manifest("function", 1)),
    );
    Ok(all)
}

fn idle(manifest: Manifest) -> Result<impl FnMut(Duration) -> f64, String> {
    let mut session = ours::SessionLoop::start(manifest);
    session.call(&event(1 << 10));
    while session.turn() == 0 {}
    let pid = session.pid();
    resident(pid)?;
    Ok(move |_| {
        let _alive = &session;
        resident(pid).expect("it runs")
    })
}

/// What each instance adds to a host that has served a call, when each has served one.
fn host() -> Result<Comparison, String> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).map_err(|error| error.to_string())?;
    let own = std::process::id();
    let runtime = ours::runtime(2);
    let one = runtime.block_on(started(1))?;
    let before = resident(own)?;
    let many = runtime.block_on(started(INSTANCES))?;
    let mut all = Comparison::new(Unit::Bytes);
    let most = Bound::AtMost(64.0 * 1024.0);
    all.row("host, for each instance", &[], most, move |_| {
        let _alive = (&runtime, &one, &many);
        (resident(own).expect("it runs") - before) / INSTANCES as f64
    });
    Ok(all)
}

/// A host whose instances have all served a call at the same time.
async fn started(instances: usize) -> Result<Host, String> {
    let scale = Scale {
        min: instances,
        max: instances,
        queue: instances,
        ..Scale::default()
    };
    let options = HostOptions {
        scale,
        ..HostOptions::default()
    };
    let host = Host::new(options).map_err(|missing| missing.to_string())?;
    let deployed = host.deploy("bench", ours::manifest("answer", 1), "/".into());
    let status = deployed.await.map_err(|status| status.to_string())?.status;
    if !status.is_ok() {
        return Err(status.to_string());
    }
    // Nobody ends its call before all have an answer, so each has an instance of its own.
    let answered = Arc::new(Barrier::new(instances));
    let mut calls = JoinSet::new();
    for _ in 0..instances {
        calls.spawn(call(host.clone(), Arc::clone(&answered)));
    }
    // The first that fails is reported: the others wait for it.
    while let Some(ended) = calls.join_next().await {
        ended.map_err(|error| error.to_string())??;
    }
    Ok(host)
}

async fn call(host: Host, answered: Arc<Barrier>) -> Result<(), String> {
    let shown = |status: Status| status.to_string();
    let mut call = host
        .call("bench", "echo", Context::default())
        .map_err(shown)?;
    call.send(Part::event(event(1 << 10))).await;
    let first = call.next().await.ok_or("no answer")?;
    if let Some(end) = first.end {
        return Err(shown(end));
    }
    answered.wait().await;
    call.send(Part::end(Status::ok())).await;
    call.collect().await.map(drop).map_err(shown)
}
