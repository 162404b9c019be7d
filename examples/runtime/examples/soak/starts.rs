//! Starts and ends processes, and sees whether anything grows.

use std::path::Path;
use std::time::Instant;

use libfaas::host::{Host, Part};
use libfaas::{Context, Event, Manifest};

use crate::Error;
use crate::census::Census;

/// Every other process ends by itself, the others are killed.
pub(crate) async fn run(
    host: Host,
    folder: &Path,
    census: &Census,
    count: usize,
) -> Result<bool, Error> {
    let yaml = "{fsi: \"1.0\", name: once, command: [./soak, function, once], modes: [binary]}";
    let deployed = host
        .deploy("soak", Manifest::from_yaml(yaml)?, folder.to_owned())
        .await?;
    if !deployed.status.is_ok() {
        return Err(deployed.status.into());
    }
    let ends = Event::builder("1", "/soak", "once").build()?;
    let hangs = ends.to_builder().subject("hang").build()?;
    let (mut wrong, mut early) = (0, None);
    let begun = Instant::now();
    for number in 0..count {
        let mut call = host.call("soak", "once", Context::default())?;
        if number % 2 == 0 {
            wrong += usize::from(call.unary(ends.clone()).await.is_err());
        } else {
            call.send(Part::last(hangs.clone())).await;
            tokio::task::yield_now().await;
            call.cancel("killed");
            while call.next().await.is_some() {}
        }
        if number == count / 10 {
            early = Some((census.descriptors(), census.resident()));
        }
    }
    let took = begun.elapsed();
    println!("{count} starts in {took:.1?}");
    let (descriptors, resident) = early.ok_or("expected --starts 1 or more")?;
    let grown = census.resident().saturating_sub(resident) >> 10;
    host.shutdown().await;
    let (zombies, after) = (census.zombies().len(), census.descriptors());
    println!(
        "descriptors: {descriptors} after a tenth, {after} at the end; {grown} KiB more resident; \
         {zombies} zombies; {wrong} calls with a wrong end"
    );
    // At level I2 networks are kept for later, which a tenth of the starts has long made.
    Ok(wrong == 0 && zombies == 0 && after <= descriptors + 8 && grown < 8 << 10)
}
