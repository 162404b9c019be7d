//! What is measured: each a limit and those that are held against it.

use std::time::{Duration, Instant};

use libfaas::{Encoding, Event, Mode};

use super::client::{Answer, Client};
use super::comparison::{Contender, Sample, Turn};
use super::events::bytes_name;
use super::link::{Launch, Link};
use super::oneshot;
use super::programs::Program;
use super::subject::{Measured, limit, smallest};
use crate::error::{Error, Result};

/// A limit and contenders; or why there is nothing to measure.
pub(super) type Prepared<'a> = Result<Result<(Contender<'a>, Vec<Contender<'a>>), LeftOut>>;

/// Why a row has no figures.
#[derive(Debug)]
pub(super) struct LeftOut(pub(super) String);

/// What a start has to bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    Hello,
    Reply,
}

/// From before the start of a process until what it says first.
pub(super) fn start<'a>(measured: &'a [Measured], until: Until, event: &'a Event) -> Prepared<'a> {
    for one in measured.iter().filter(|_| until == Until::Reply) {
        if let Err(left_out) = ready(one, event)? {
            return Ok(Err(left_out));
        }
    }
    let first = &measured[0];
    let mut least = smallest(first)?;
    least.name = format!("start of {}", least.name);
    let starts = |launch: &Launch, encoding: Encoding, echo: bool| -> Sample<'a> {
        let launch = launch.clone();
        Box::new(move |turn| {
            rounds(turn, || {
                let begin = Instant::now();
                let mut client = Client::start(launch.clone(), encoding)?;
                if until == Until::Hello {
                    client.hello()?;
                    return Ok(begin.elapsed());
                }
                let answer = client.call(event)?;
                let taken = begin.elapsed();
                check(&mut client, &answer, event, echo)?;
                Ok(taken)
            })
        })
    };
    let contender = |launch: &Launch, encoding, echo| Contender {
        name: launch.name.clone(),
        sample: starts(launch, encoding, echo),
    };
    let limit = contender(&least, first.target.encoding, true);
    let all = measured
        .iter()
        .map(|one| contender(&one.launch, one.target.encoding, one.echoes));
    Ok(Ok((limit, all.collect())))
}

/// One call after the other.
pub(super) fn calls<'a>(measured: &'a [Measured], event: &'a Event) -> Prepared<'a> {
    let first = &measured[0];
    let size = Client::size_of_call(event, first.target.encoding);
    let mut all = Vec::new();
    for one in measured {
        let mut client = match ready(one, event)? {
            Ok(client) => client,
            Err(left_out) => return Ok(Err(left_out)),
        };
        all.push(Contender {
            name: one.launch.name.clone(),
            sample: Box::new(move |turn| {
                rounds(turn, || {
                    client.open(event);
                    let begin = Instant::now();
                    let answer = client.answer()?;
                    let taken = begin.elapsed();
                    check(&mut client, &answer, event, one.echoes)?;
                    Ok(taken)
                })
            }),
        });
    }
    let mut link = Link::start(limit(first, Program::Echo(size))?)?;
    let bytes = vec![b'x'; size];
    let limit = Contender {
        name: format!("ping-pong of {}", bytes_name(size)),
        sample: Box::new(move |turn| {
            rounds(turn, || {
                link.be_patient();
                link.outgoing().extend_from_slice(&bytes);
                let (begin, mut held) = (Instant::now(), 0);
                while held < size {
                    held += link.turn()?.len();
                }
                Ok(begin.elapsed())
            })
        }),
    };
    Ok(Ok((limit, all)))
}

/// Calls per second, of which so many are open at any time.
pub(super) fn rate<'a>(
    measured: &'a [Measured],
    event: &'a Event,
    in_flight: usize,
) -> Prepared<'a> {
    let first = &measured[0];
    let size = Client::size_of_call(event, first.target.encoding);
    let mut all = Vec::new();
    for one in measured {
        let mut client = match ready(one, event)? {
            Ok(client) => client,
            Err(left_out) => return Ok(Err(left_out)),
        };
        (0..in_flight).for_each(|_| client.open(event));
        all.push(Contender {
            name: one.launch.name.clone(),
            sample: Box::new(move |turn| {
                client.link().be_patient();
                per_second(turn, || {
                    let answer = client.answer()?;
                    check(&mut client, &answer, event, one.echoes)?;
                    client.open(event);
                    Ok(1)
                })
            }),
        });
    }
    let mut link = Link::start(limit(first, Program::Pass)?)?;
    let message = vec![b'x'; size];
    (0..in_flight).for_each(|_| link.outgoing().extend_from_slice(&message));
    let mut held = 0;
    let limit = Contender {
        name: format!("stream of {}", bytes_name(size)),
        sample: Box::new(move |turn| {
            per_second(turn, || {
                link.be_patient();
                held += link.turn()?.len();
                let whole = held / size;
                held %= size;
                (0..whole).for_each(|_| link.outgoing().extend_from_slice(&message));
                Ok(whole)
            })
        }),
    };
    Ok(Ok((limit, all)))
}

/// A process for each event: how many a second, one after the other.
pub(super) fn runs<'a>(one: &'a Measured, event: &Event) -> Prepared<'a> {
    let (launch, input) = oneshot::prepared(&one.launch, one.target, event)?;
    let first = oneshot::run(&launch, &input)?;
    if let Some(how) = first.failed {
        return Ok(Err(LeftOut(how)));
    }
    let least = smallest(one)?;
    let bytes = input.clone();
    let limit = Contender {
        name: format!("run of {}, {}", least.name, bytes_name(input.len())),
        sample: Box::new(move |turn| runs_per_second(turn, || oneshot::run(&least, &bytes))),
    };
    let target = one.target;
    let subject = Contender {
        name: one.launch.name.clone(),
        sample: Box::new(move |turn| {
            runs_per_second(turn, || {
                let run = oneshot::run(&launch, &input)?;
                let wrong = match &run.failed {
                    Some(how) => Err(format!("it failed after it had succeeded: {how}")),
                    None => oneshot::check(&run.stdout, target),
                };
                match wrong {
                    Ok(()) => Ok(run),
                    Err(what) => Err(launch.refused(&what)),
                }
            })
        }),
    };
    Ok(Ok((limit, vec![subject])))
}

/// Resident memory of all its processes, after a call.
pub(super) fn memory<'a>(one: &'a Measured, event: &'a Event) -> Prepared<'a> {
    let mut client = match ready(one, event)? {
        Ok(client) => client,
        Err(left_out) => return Ok(Err(left_out)),
    };
    let mut link = Link::start(smallest(one)?)?;
    link.outgoing().push(b'x');
    link.turn()?;
    if resident(&link).is_none() {
        let why = "this system has no /proc with the memory of processes";
        return Ok(Err(LeftOut(why.to_owned())));
    }
    let limit = Contender {
        name: link.launch.name.clone(),
        sample: Box::new(move |_| size_now(&mut link)),
    };
    let subject = Contender {
        name: one.launch.name.clone(),
        sample: Box::new(move |_| size_now(client.link())),
    };
    Ok(Ok((limit, vec![subject])))
}

fn size_now(link: &mut Link) -> Result<Turn> {
    match resident(link) {
        Some(bytes) => Ok(Turn::Figure(bytes)),
        None => Err(link.refuse("it ended while it was idle")),
    }
}

/// Every page that the processes have, those too that they share.
fn resident(link: &Link) -> Option<f64> {
    let sizes = link.subject.pids().into_iter().map(|pid| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero()));
        let status = status.ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
        Some(kibibytes * 1024.0)
    });
    sizes.sum()
}

/// Starts it and makes a first call: what it ends with an error is not measured.
fn ready(one: &Measured, event: &Event) -> Result<Result<Client, LeftOut>> {
    debug_assert_eq!(one.target.mode, Mode::Stream);
    let mut client = Client::start(one.launch.clone(), one.target.encoding)?;
    client.hello()?;
    let answer = client.call(event)?;
    if !answer.status.is_ok() {
        return Ok(Err(LeftOut(format!("ended with {}", answer.status))));
    }
    check(&mut client, &answer, event, one.echoes)?;
    Ok(Ok(client))
}

fn check(client: &mut Client, answer: &Answer, event: &Event, echoes: bool) -> Result<()> {
    if !answer.status.is_ok() {
        let what = format!(
            "a call ended with {} after another had ended with OK",
            answer.status
        );
        return Err(client.link().refuse(&what));
    }
    if echoes && !answer.is_echo_of(event) {
        let what = format!(
            "the event did not come back as it was sent: {} events came",
            answer.events.len()
        );
        return Err(client.link().refuse(&what));
    }
    Ok(())
}

/// What rounds take, for about so long; a few at least, where they are not slow.
fn rounds(turn: Duration, mut round: impl FnMut() -> Result<Duration>) -> Result<Turn> {
    const FEW: usize = 3;
    const SLOW: Duration = Duration::from_millis(500);
    let (begin, mut times) = (Instant::now(), Vec::new());
    while times.is_empty() || begin.elapsed() < turn || times.len() < FEW && begin.elapsed() < SLOW
    {
        times.push(round()?.as_secs_f64());
    }
    Ok(Turn::Times(times))
}

/// How many a second, where each round does as many as it says.
fn per_second(turn: Duration, mut round: impl FnMut() -> Result<usize>) -> Result<Turn> {
    let (begin, mut count) = (Instant::now(), 0);
    loop {
        count += round()?;
        let taken = begin.elapsed();
        if taken >= turn && count > 0 {
            return Ok(Turn::Figure(count as f64 / taken.as_secs_f64()));
        }
    }
}

/// The same for runs, of which only their own time counts: not the search for what they left.
fn runs_per_second(
    turn: Duration,
    mut run: impl FnMut() -> Result<oneshot::Run, Error>,
) -> Result<Turn> {
    let (begin, mut count, mut taken) = (Instant::now(), 0, 0.0);
    while count == 0 || begin.elapsed() < turn {
        taken += run()?.seconds;
        count += 1;
    }
    Ok(Turn::Figure(f64::from(count) / taken))
}
