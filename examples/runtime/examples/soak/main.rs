//! Mixed load on a host, with everything going wrong: does every call end, once, with a right status?
//!
//! ```sh
//! cargo run --release -p faas-runtime --example soak -- --seed 1 --seconds 180
//! ```
//!
//! Callers call functions that behave and functions that don't, while instances are killed at
//! random and revisions come and go. What each call may end with follows from what it asked for.
//! The choices come from the seed; their timing is the machine's.

mod census;
mod function;
mod load;
mod starts;
mod tally;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use faas_runtime::host_args::HostArgs;
use libfaas::host::{Host, HostOptions, Level};

use census::Census;
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
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::from(2)
        }
    }
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
    let census = Census::new();
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
    load::deploy_all(&host, folder).await?;
    let until = Instant::now() + Duration::from_secs(args.seconds);
    let tally = Arc::new(Tally::default());
    let random =
        |number: u64| fastrand::Rng::with_seed(seed.wrapping_mul(1000).wrapping_add(number));
    let mut tasks = Vec::new();
    for number in 0..args.callers as u64 {
        let (host, tally) = (host.clone(), Arc::clone(&tally));
        tasks.push(tokio::spawn(load::call_until(
            until,
            host,
            number % 4 != 0,
            random(number),
            tally,
        )));
    }
    let killing = census::kill_until(until, census.clone(), random(900), Arc::clone(&tally));
    tasks.push(tokio::spawn(killing));
    let (its_host, its_tally) = (host.clone(), Arc::clone(&tally));
    let updating = load::update_until(until, its_host, folder.to_owned(), random(901), its_tally);
    tasks.push(tokio::spawn(updating));
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
        tally.violation(format!("process {zombie} was left as a zombie"));
    }
    let after = census.descriptors();
    // The sandboxes keep a few for the life of the process, and at level I2 roots and networks for
    // later: at most so many.
    let kept = if level == Level::MultiTenant { 400 } else { 8 };
    if after > before + kept {
        tally.violation(format!(
            "{before} descriptors were open before, {after} are now"
        ));
    }
    println!("{tally}");
    println!(
        "descriptors: {before} before, {after} after; {} MiB resident",
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
