//! What befalls the host and its functions from outside.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use libfaas::host::Level;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitOptions, getpid, getrlimit, kill_process,
    set_child_subreaper, setrlimit, wait,
};

use crate::Error;
use crate::census::Census;
use crate::tally::Tally;

/// Kills a process now and then, with what can't be caught.
pub(crate) async fn kill_until(
    until: Instant,
    census: Census,
    mut random: fastrand::Rng,
    tally: Arc<Tally>,
) {
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(random.u64(20..400))).await;
        if let Some(pid) = any(&census, &mut random)
            && kill_process(pid, Signal::KILL).is_ok()
        {
            tally.inject("kill -9");
        }
    }
}

/// Stops a process now and then, longer than some deadlines, and lets it go on.
pub(crate) async fn stall_until(
    until: Instant,
    census: Census,
    mut random: fastrand::Rng,
    tally: Arc<Tally>,
) {
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(random.u64(200..1500))).await;
        if let Some(pid) = any(&census, &mut random)
            && kill_process(pid, Signal::STOP).is_ok()
        {
            tally.inject("stall");
            tokio::time::sleep(Duration::from_millis(random.u64(10..3000))).await;
            // It may be gone: a host kills what misses its deadline.
            let _ = kill_process(pid, Signal::CONT);
        }
    }
}

fn any(census: &Census, random: &mut fastrand::Rng) -> Option<Pid> {
    let processes = census.processes();
    random
        .choice(&processes)
        .and_then(|&pid| Pid::from_raw(pid))
}

/// When descriptors were last scarce.
pub(crate) struct Scarcity {
    begun: Instant,
    /// Milliseconds after `begun`; more than any while they are.
    last: AtomicU64,
}

impl Scarcity {
    pub(crate) fn new() -> Self {
        Scarcity {
            begun: Instant::now(),
            last: AtomicU64::new(0),
        }
    }

    /// Whether there was any since then.
    pub(crate) fn since(&self, then: Instant) -> bool {
        let then = then.saturating_duration_since(self.begun).as_millis();
        u128::from(self.last.load(Ordering::Relaxed)) >= then.max(1)
    }

    /// Takes all descriptors away now and then, for a moment: none can be opened.
    pub(crate) async fn starve_until(
        self: Arc<Self>,
        until: Instant,
        census: Census,
        mut random: fastrand::Rng,
        tally: Arc<Tally>,
    ) {
        let usual = getrlimit(Resource::Nofile);
        while Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(random.u64(2000..6000))).await;
            let few = census.descriptors() as u64 + random.u64(..4);
            self.last.store(u64::MAX, Ordering::Relaxed);
            let lowered = Rlimit {
                current: Some(few),
                maximum: usual.maximum,
            };
            if setrlimit(Resource::Nofile, lowered).is_ok() {
                tally.inject("no descriptors");
                tokio::time::sleep(Duration::from_millis(random.u64(50..800))).await;
            }
            if let Err(error) = setrlimit(Resource::Nofile, usual) {
                tally.violation(format!(
                    "the limit on descriptors can't be raised again: {error}"
                ));
            }
            let now = self.begun.elapsed().as_millis();
            self.last
                .store(u64::try_from(now).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }
}

/// The variable that names the file with the host's wall clock, for libfaketime.
pub(crate) const CLOCK: &str = "FAKETIME_TIMESTAMP_FILE";

/// Sets the host's wall clock hours and days forward and back. Its functions keep the true one.
pub(crate) async fn jump_until(until: Instant, mut random: fastrand::Rng, tally: Arc<Tally>) {
    let Some(file) = std::env::var_os(CLOCK).map(PathBuf::from) else {
        return;
    };
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(random.u64(500..4000))).await;
        let seconds = random.i64(-200_000..200_000);
        match std::fs::write(&file, format!("{seconds:+}\n")) {
            Ok(()) => tally.inject("clock jump"),
            // While there are no descriptors.
            Err(_) => continue,
        }
    }
}

/// Has another host killed now and then, in the middle of its calls.
pub(crate) async fn murder_until(
    until: Instant,
    level: Level,
    mut random: fastrand::Rng,
    tally: Arc<Tally>,
) {
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(random.u64(3000..8000))).await;
        let after = random.u64(200..3000).to_string();
        let murdered = tokio::task::spawn_blocking(move || {
            let mut murder = Command::new(std::env::current_exe()?);
            murder.args(["--murder", &after, "--isolation", &level.to_string()]);
            murder.stdin(Stdio::null()).stderr(Stdio::null()).output()
        });
        match murdered.await {
            Ok(Ok(output)) => {
                tally.inject("kill -9 of a host");
                if !output.status.success() {
                    let said = String::from_utf8_lossy(&output.stdout);
                    tally.violation(format!("a killed host: {}", said.trim_end()));
                }
            }
            // There are no descriptors for it.
            Ok(Err(_)) => {}
            Err(error) => tally.violation(format!("a killed host: {error}")),
        }
    }
}

/// Runs a host, kills it after so many milliseconds, and looks what is left of its functions. In a
/// process of its own, since it inherits them.
pub(crate) fn murder(after: u64, level: &str) -> Result<bool, Error> {
    set_child_subreaper(Some(getpid()))?;
    let mut victim = Command::new(std::env::current_exe()?)
        .args([
            "--victim",
            "--seconds",
            "60",
            "--callers",
            "4",
            "--isolation",
            level,
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    std::thread::sleep(Duration::from_millis(after));
    if let Some(status) = victim.try_wait()? {
        println!("it ended by itself: {status}");
        return Ok(false);
    }
    victim.kill()?;
    victim.wait()?;
    let census = Census::of(victim.id());
    let patience = Instant::now() + Duration::from_secs(5);
    loop {
        // What it inherits is dead soon, and is reaped.
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
        let left = census.processes();
        if left.is_empty() {
            return Ok(true);
        }
        if Instant::now() > patience {
            println!("it has left the processes {left:?}");
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
