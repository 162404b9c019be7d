//! Turns, as the one who compares asks for them.

use std::future::Future;
use std::io::BufRead;
use std::time::{Duration, Instant};

use crate::{Error, Options};

/// Somebody who makes one call at a time.
pub(crate) trait Caller: Send + 'static {
    fn call(&mut self) -> impl Future<Output = Result<(), Error>> + Send;
}

/// As many callers as calls are to be in flight.
pub(crate) fn callers(options: &Options) -> usize {
    options.in_flight.unwrap_or(1)
}

pub(crate) async fn serve<C: Caller>(mut callers: Vec<C>, options: &Options) -> Result<(), Error> {
    callers[0].call().await?;
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let turn = Duration::from_millis(line?.trim().parse()?);
        let figure = match options.in_flight {
            None => latency(&mut callers[0], turn).await?,
            Some(_) => rate(&mut callers, turn).await?,
        };
        println!("{figure:e}");
    }
    Ok(())
}

async fn latency(caller: &mut impl Caller, turn: Duration) -> Result<f64, Error> {
    let (begin, mut times) = (Instant::now(), Vec::new());
    while begin.elapsed() < turn || times.len() < 3 {
        let before = Instant::now();
        caller.call().await?;
        times.push(before.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

async fn rate<C: Caller>(callers: &mut Vec<C>, turn: Duration) -> Result<f64, Error> {
    let begin = Instant::now();
    let tasks: Vec<_> = callers
        .drain(..)
        .map(|mut caller| {
            tokio::spawn(async move {
                let mut count = 0;
                while begin.elapsed() < turn {
                    caller.call().await?;
                    count += 1;
                }
                Ok::<_, Error>((caller, count))
            })
        })
        .collect();
    let mut count = 0;
    for task in tasks {
        let (caller, made) = task.await??;
        callers.push(caller);
        count += made;
    }
    Ok(f64::from(count) / begin.elapsed().as_secs_f64())
}
