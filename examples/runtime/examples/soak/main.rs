//! Mixed load on a host, with everything going wrong: does every call end, once, with a right status?
//!
//! ```sh
//! cargo run --release -p faas-runtime --example soak -- --seed 1 --seconds 180
//! ```
//!
//! Callers call functions that behave and functions that don't, while instances are killed and
//! stopped at random, revisions come and go, the host has no descriptors for a moment, and its wall
//! clock jumps. What each call may end with follows from what it asked for. Other hosts are killed,
//! and nothing of theirs may be left.
//! The choices come from the seed; their timing is the machine's.

mod census;
mod flat;
mod function;
mod load;
mod mischief;
mod starts;
mod tally;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::{Parser, ValueEnum};
use faas_runtime::host_args::HostArgs;
use libfaas::host::{Host, HostOptions, Level};

use census::Census;
use flat::Flat;
use mischief::Scarcity;
use tally::Tally;

/// Puts mixed load on a host while its functions misbehave and are killed.
///
/// Exit status: 0 when every call ended once with a right status and nothing was left, else 1.
#[derive(Parser)]
struct Args {
    /// What the random choices come from. Default: the time.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How long callers call.
    #[arg(long, value_name = "N", default_value_t = 180)]
    seconds: u64,
    /// How many call at once.
    #[arg(long, value_name = "N", default_value_t = 32)]
    callers: usize,
    /// A host that will be killed: nothing else befalls it.
    #[arg(long, hide = true)]
    victim: bool,
    /// Instead of mixed load: runs a victim, kills it after so many milliseconds, and looks what is left.
    #[arg(long, hide = true)]
    murder: Option<u64>,
    /// Instead of mixed load: start and end so many processes, and see whether anything grows.
    #[arg(long, value_name = "N")]
    starts: Option<usize>,
    /// Isolation. Times are shorter than usual here, whatever is given.
    #[command(flatten)]
    host: HostArgs,
}

type Error = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("function") {
        return function::run();
    }
    let mut args = Args::parse();
    if let Some(after) = args.murder {
        let level = args.host.isolation.to_possible_value();
        return exit(mischief::murder(
            after,
            level.as_ref().map_or("auto", |level| level.get_name()),
        ));
    }
    if !args.victim && args.starts.is_none() && std::env::var_os(mischief::CLOCK).is_none() {
        match with_a_clock_of_its_own() {
            Ok(code) => return code,
            Err(reason) => println!("no clock jumps: {reason}"),
        }
    }
    args.host.timeout = Duration::from_secs(2);
    args.host.cancel_grace = Duration::from_millis(250);
    args.host.drain = Duration::from_secs(3);
    args.host.sigterm_grace = Duration::from_secs(1);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let result = runtime
        .map_err(Error::from)
        .and_then(|runtime| runtime.block_on(soak(&args)));
    exit(result)
}

fn exit(result: Result<bool, Error>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs this program again, with a wall clock that can be set without the machine's.
fn with_a_clock_of_its_own() -> Result<ExitCode, Error> {
    let libraries = [
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib64",
    ];
    let library = libraries
        .iter()
        .map(|folder| Path::new(folder).join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.exists())
        .ok_or("libfaketime is not installed (Debian: faketime)")?;
    let folder = tempfile::tempdir()?;
    let clock = folder.path().join("clock");
    std::fs::write(&clock, "+0\n")?;
    let status = std::process::Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env("LD_PRELOAD", library)
        .env(mischief::CLOCK, clock)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .status()?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}

async fn soak(args: &Args) -> Result<bool, Error> {
    let (settings, claim) = args.host.settings()?;
    println!("isolation {}: {}", claim.name(), claim.means.0);
    let folder = tempfile::Builder::new().prefix("faas-soak-").tempdir()?;
    // Whoever the functions run as has to see it.
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755))?;
    std::fs::copy(std::env::current_exe()?, folder.path().join("soak"))?;
    let mut options = HostOptions::from(settings);
    options.scale.max = 6;
    options.scale.idle = Duration::from_secs(2);
    let census = Census::of(std::process::id());
    match args.starts {
        Some(count) => starts::run(Host::new(options)?, folder.path(), &census, count).await,
        None => mixed(args, options, folder.path(), census).await,
    }
}

/// Callers, a killer and updates, until the time is up.
async fn mixed(
    args: &Args,
    options: HostOptions,
    folder: &Path,
    census: Census,
) -> Result<bool, Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let seed = args.seed.unwrap_or(now.as_secs());
    println!("seed {seed}, {} callers, {} s", args.callers, args.seconds);
    let before = census.descriptors();
    let level = options.settings.level;
    let host = Host::new(options)?;
    load::deploy_all(&host, folder, level).await?;
    let until = Instant::now() + Duration::from_secs(args.seconds);
    let tally = Arc::new(Tally::default());
    let scarcity = Arc::new(Scarcity::new());
    let random =
        |number: u64| fastrand::Rng::with_seed(seed.wrapping_mul(1000).wrapping_add(number));
    let mut tasks = Vec::new();
    for number in 0..args.callers as u64 {
        let (host, tally) = (host.clone(), Arc::clone(&tally));
        let (well, scarcity) = (number % 4 != 0, Arc::clone(&scarcity));
        let calls = load::call_until(until, host, level, well, random(number), tally, scarcity);
        tasks.push(tokio::spawn(calls));
    }
    let samples = tokio::spawn(Flat::until(until, census.clone()));
    if !args.victim {
        let tally = || Arc::clone(&tally);
        tasks.extend([
            tokio::spawn(mischief::kill_until(
                until,
                census.clone(),
                random(900),
                tally(),
            )),
            tokio::spawn(load::update_until(
                until,
                host.clone(),
                folder.to_owned(),
                level,
                random(901),
                tally(),
            )),
            tokio::spawn(mischief::stall_until(
                until,
                census.clone(),
                random(902),
                tally(),
            )),
            tokio::spawn(scarcity.starve_until(until, census.clone(), random(903), tally())),
            tokio::spawn(mischief::jump_until(until, random(904), tally())),
        ]);
        // Where nothing isolates, nothing outlives the host to kill what it leaves.
        if level != Level::None {
            tasks.push(tokio::spawn(mischief::murder_until(
                until,
                level,
                random(905),
                tally(),
            )));
        }
    }
    for task in tasks {
        // A call that does not end is given up by who called, so these end.
        task.await?;
    }
    if tokio::time::timeout(Duration::from_secs(30), host.shutdown())
        .await
        .is_err()
    {
        tally.violation("the host had not drained its functions within 30 s".to_owned());
    }
    drop(host);
    for process in census.processes() {
        tally.violation(format!("process {process} was left behind"));
    }
    for zombie in census.zombies() {
        tally.violation(format!("{zombie} was left as a zombie"));
    }
    let after = census.descriptors();
    // The sandboxes keep a few for the life of the process, and a bounded number of things to use
    // again: control groups with the alarms of their memory; at level I2 roots and networks too.
    let kept = match level {
        Level::None => 8,
        Level::Hygiene => 80,
        Level::MultiTenant => 400,
    };
    if after > before + kept {
        tally.violation(format!(
            "{before} descriptors were open before, {after} are now"
        ));
    }
    let samples = samples.await?;
    if let Some(grown) = samples.grown() {
        tally.violation(grown);
    }
    println!("{tally}{samples}");
    let kinds = census.kinds().into_iter();
    let kinds: Vec<_> = kinds.map(|(kind, n)| format!("{n} {kind}")).collect();
    println!(
        "descriptors: {before} before, {after} after: {}; {} MiB resident",
        kinds.join(", "),
        census.resident() >> 20
    );
    if !tally.is_clean() {
        let seconds = args.seconds;
        println!(
            "again: soak --seed {seed} --seconds {seconds} --callers {}",
            args.callers
        );
    }
    Ok(tally.is_clean())
}
