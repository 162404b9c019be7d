//! The calls, and what each may end with.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use libfaas::host::{Call, Host, Level, Part};
use libfaas::{Code, Context, Event, JsonText, Manifest, Status};

use crate::Error;
use crate::census::MARK;
use crate::mischief::Scarcity;
use crate::tally::Tally;

/// No call takes longer, whatever happens to it: attempts, waits and graces together.
const LONGEST: Duration = Duration::from_secs(20);

const TENANTS: [&str; 2] = ["acme", "zeta"];

/// The functions, and what their manifests have beside their names.
const FUNCTIONS: [(&str, &str); 5] = [
    // Behaves; but its instances are killed.
    (
        "steady",
        "command: [./soak, function, stream], modes: [stream], concurrency: 4",
    ),
    // Behaves in no way.
    (
        "wild",
        "command: [./soak, function, stream], modes: [stream], concurrency: 3",
    ),
    // Wants more memory than it may have.
    (
        "greedy",
        "command: [./soak, function, stream], modes: [stream], limits: {memory: 64Mi}",
    ),
    ("once", "command: [./soak, function, once], modes: [binary]"),
    (
        "pipe",
        "pipeline: [[cat], [./soak, function, stream], [cat]], modes: [stream], concurrency: 4",
    ),
];

/// What a call asks for.
#[derive(Clone, Copy)]
struct Wish {
    function: &'static str,
    ty: &'static str,
    /// What it may end with, its instance being killed or not.
    ends: &'static [Code],
}

const fn wish(function: &'static str, ty: &'static str, ends: &'static [Code]) -> Wish {
    Wish { function, ty, ends }
}

/// What may become of a call on `wild`, because of another one on the same instance too.
const DEATHS: &[Code] = &[Code::Unavailable, Code::Internal, Code::DeadlineExceeded];

/// What callers ask of functions that behave.
const GOOD: &[Wish] = {
    use Code::*;
    &[
        wish("steady", "echo", &[Ok, Unavailable]),
        wish("steady", "echo", &[Ok, Unavailable]),
        wish("steady", "flaky", &[Ok, Unavailable, Aborted]),
        wish("steady", "fail", &[NotFound, Unavailable]),
        wish("steady", "many", &[Ok, Unavailable]),
        wish("steady", "wait", &[Cancelled, Unavailable]),
        wish(
            "steady",
            "overdue",
            &[Cancelled, DeadlineExceeded, Unavailable],
        ),
        wish("steady", "stderr", &[Ok, Unavailable]),
        wish("pipe", "echo", &[Ok, Unavailable]),
        wish("pipe", "wait", &[Cancelled, Unavailable]),
        // Death by a signal is INTERNAL there.
        wish("once", "echo", &[Ok, Internal]),
    ]
};

/// And what they ask of the one that does not.
const BAD: &[Wish] = {
    use Code::*;
    &[
        wish(
            "wild",
            "echo",
            &[Ok, Unavailable, Internal, DeadlineExceeded],
        ),
        wish("wild", "stubborn", DEATHS),
        wish("wild", "die", DEATHS),
        wish("wild", "exit", DEATHS),
        wish("wild", "garbage", DEATHS),
        wish("wild", "half", DEATHS),
        wish("wild", "deaf", DEATHS),
        wish("greedy", "hog", &[ResourceExhausted, Unavailable]),
        wish(
            "wild",
            "flood",
            &[ResourceExhausted, Unavailable, Internal, DeadlineExceeded],
        ),
    ]
};

/// Memory is bounded where something isolates.
fn functions(level: Level) -> Vec<(&'static str, &'static str)> {
    let bounded = |(name, _): &(&str, &str)| level != Level::None || *name != "greedy";
    FUNCTIONS.into_iter().filter(bounded).collect()
}

fn manifest(name: &str, members: &str) -> Result<Manifest, Error> {
    let mark = std::process::id();
    let yaml = format!("{{fsi: \"1.0\", name: {name}, {members}, env: {{{MARK}: \"{mark}\"}}}}");
    Ok(Manifest::from_yaml(&yaml)?)
}

/// Everything for every tenant.
pub(crate) async fn deploy_all(host: &Host, folder: &Path, level: Level) -> Result<(), Error> {
    for tenant in TENANTS {
        for (name, members) in functions(level) {
            let deployed = host
                .deploy(tenant, manifest(name, members)?, folder.to_owned())
                .await?;
            if !deployed.status.is_ok() {
                return Err(deployed.status.into());
            }
        }
    }
    Ok(())
}

/// Replaces functions by new revisions.
pub(crate) async fn update_until(
    until: Instant,
    host: Host,
    folder: PathBuf,
    level: Level,
    mut random: fastrand::Rng,
    tally: Arc<Tally>,
) {
    let functions = functions(level);
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(random.u64(500..3000))).await;
        let (name, members) = functions[random.usize(..functions.len())];
        let tenant = TENANTS[random.usize(..TENANTS.len())];
        let Ok(manifest) = manifest(name, members) else {
            return;
        };
        match host.deploy(tenant, manifest, folder.clone()).await {
            // Its first instance may have been killed before its hello.
            Ok(deployed) => {
                tally.inject("update");
                tally.count("update", deployed.status.code.name());
            }
            Err(status) => tally.violation(format!("an update was refused: {status}")),
        }
    }
}

/// Calls, one call after the other.
pub(crate) async fn call_until(
    until: Instant,
    host: Host,
    level: Level,
    good: bool,
    mut random: fastrand::Rng,
    tally: Arc<Tally>,
    scarcity: Arc<Scarcity>,
) {
    let wishes = if good { GOOD } else { BAD };
    while Instant::now() < until {
        let wish = wishes[random.usize(..wishes.len())];
        if wish.function == "greedy" && level == Level::None {
            continue;
        }
        let tenant = TENANTS[random.usize(..TENANTS.len())];
        let asked = Question::new(wish, &mut random);
        let what = format!("{} {}", wish.function, wish.ty);
        let begun = Instant::now();
        tally.asked();
        match tokio::time::timeout(LONGEST, asked.ask(&host, tenant)).await {
            Err(_) => tally.violation(format!("{what} had not ended after {LONGEST:?}")),
            Ok(Err(wrong)) => {
                tally.ended();
                tally.violation(format!("{what}: {wrong}"));
            }
            Ok(Ok(status)) => {
                tally.ended();
                tally.count(&what, status.code.name());
                // Killed before its hello: by the table of exit statuses (`death-before-hello`); killed
                // inside a message: malformed, as a cut message is.
                let killed = ["signal 9", "encoding-truncated"];
                let killed = killed.iter().any(|one| status.message.contains(one));
                let unlucky = status.code == Code::Internal && killed;
                // Whatever it asks for, a process that is stopped misses its deadline.
                let stalled = status.code == Code::DeadlineExceeded;
                // No instance can be started then.
                let starved = status.code == Code::Unavailable && scarcity.since(begun);
                if !wish.ends.contains(&status.code) && !unlucky && !stalled && !starved {
                    tally.violation(format!("{what} ended with {status}"));
                }
            }
        }
    }
}

/// One call, all of whose random choices have been made.
struct Question {
    wish: Wish,
    data: String,
    /// What no other call has in its data.
    secret: String,
    /// Events that it asks for.
    count: usize,
    /// What the caller waits before it takes the next event, now and then.
    slow: Duration,
}

impl Question {
    fn new(wish: Wish, random: &mut fastrand::Rng) -> Self {
        let secret = random.u64(..).to_string();
        let count = random.usize(1..200);
        let size = match random.u8(..10) {
            0 => random.usize(..300_000),
            _ => random.usize(..500),
        };
        let data = match wish.ty {
            "fail" => "{\"code\":\"NOT_FOUND\"}".to_owned(),
            "stderr" => format!("{{\"secret\":{secret},\"lines\":{}}}", random.u32(..5_000)),
            "many" => format!("{{\"secret\":{secret},\"count\":{count}}}"),
            _ => format!(
                "{{\"secret\":{secret},\"filler\":\"{}\"}}",
                "x".repeat(size)
            ),
        };
        Question {
            wish,
            data,
            secret,
            count,
            slow: Duration::from_millis(random.u64(..40).saturating_sub(30)),
        }
    }

    /// The status of the call, or what is wrong with what came.
    async fn ask(&self, host: &Host, tenant: &str) -> Result<Status, String> {
        let ty = if self.wish.ty == "overdue" {
            "wait"
        } else {
            self.wish.ty
        };
        let json = JsonText::new(self.data.as_str()).map_err(|error| error.to_string())?;
        let event = Event::builder("1", "/soak", ty).data(json).build();
        let event = event.map_err(|error| error.to_string())?;
        let mut call = match host.call(tenant, self.wish.function, Context::default()) {
            Ok(call) => call,
            Err(status) => return Ok(status),
        };
        call.send(Part::last(event)).await;
        let (events, end) = self.listen(&mut call).await?;
        if let Some(more) = call.next().await {
            return Err(format!("after its end came {more:?}"));
        }
        let expected = match self.wish.ty {
            "echo" | "flaky" | "stderr" => 1,
            "many" => self.count,
            _ => events,
        };
        if end.is_ok() && events != expected {
            return Err(format!("it got {events} events instead of {expected}"));
        }
        Ok(end)
    }

    async fn listen(&self, call: &mut Call) -> Result<(usize, Status), String> {
        let mut events = 0;
        while let Some(part) = call.next().await {
            if let Some(event) = &part.event {
                events += 1;
                let data = event.data().map_or(&b""[..], |data| data.as_bytes());
                if !String::from_utf8_lossy(data).contains(&self.secret) {
                    return Err("it got what is another call's".to_owned());
                }
                if self.wish.ty == "wait" && events == 1 {
                    call.cancel("enough");
                }
                if self.wish.ty == "many" && events % 50 == 0 {
                    tokio::time::sleep(self.slow).await;
                }
            }
            if let Some(end) = part.end {
                return Ok((events, end));
            }
        }
        Err("its output ended without an end".to_owned())
    }
}
