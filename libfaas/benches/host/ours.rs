//! What is measured: the hosts of this library, with functions of this library.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use libfaas::host::{
    Blocking, Host, HostOptions, Instance, Notice, Part, Revision, Scale, Session, Settings, start,
};
use libfaas::{Context, Event, Manifest};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

use crate::limits::clock::{latency, rate};
use crate::programs::READ;

/// The manifest of a function in stream mode that is this program.
pub(crate) fn manifest(program: &str, concurrency: usize) -> Manifest {
    let this = std::env::current_exe().expect("the path of this program");
    let yaml = format!(
        "{{fsi: \"1.0\", name: echo, command: [{:?}, {program}], modes: [stream], encodings: [protobuf], concurrency: {concurrency}}}",
        this.display().to_string()
    );
    Manifest::from_yaml(&yaml).expect("a manifest")
}

fn revision(program: &str, concurrency: usize, settings: &Settings) -> Revision {
    let manifest = manifest(program, concurrency);
    Revision::new(manifest, "/", "bench", "r1", settings).expect("a revision")
}

/// Warm calls by one thread, one at a time.
pub(crate) fn blocking(program: &str, event: Event) -> impl FnMut(Duration) -> f64 {
    let settings = Settings::default();
    let mut function = Blocking::new(revision(program, 1, &settings), settings);
    function.start().expect("a function");
    move |turn| {
        latency(turn, || {
            let results = function.call(Context::default(), event.clone());
            assert!(results.expect("a result").len() == 1);
        })
    }
}

/// Warm calls by one task of the host on tokio.
pub(crate) fn tokio_calls(event: Event, cores: usize) -> impl FnMut(Duration) -> f64 {
    let (runtime, host) = tokio_host(1, cores);
    move |turn| {
        runtime.block_on(async {
            let mut times = Vec::new();
            let begin = Instant::now();
            while begin.elapsed() < turn || times.len() < 3 {
                let before = Instant::now();
                call(&host, &event).await;
                times.push(before.elapsed().as_secs_f64());
            }
            crate::comparison::median(&times)
        })
    }
}

/// Calls by so many tasks of the host on tokio.
pub(crate) fn tokio_rate(
    event: Event,
    in_flight: usize,
    cores: usize,
) -> impl FnMut(Duration) -> f64 {
    let (runtime, host) = tokio_host(in_flight, cores);
    move |turn| {
        runtime.block_on(async {
            let begin = Instant::now();
            let tasks: Vec<_> = (0..in_flight)
                .map(|_| {
                    let (host, event) = (host.clone(), event.clone());
                    tokio::spawn(async move {
                        let mut count = 0;
                        while begin.elapsed() < turn {
                            call(&host, &event).await;
                            count += 1;
                        }
                        count
                    })
                })
                .collect();
            let mut count = 0;
            for task in tasks {
                count += task.await.expect("no panic");
            }
            f64::from(count) / begin.elapsed().as_secs_f64()
        })
    }
}

async fn call(host: &Host, event: &Event) {
    let call = host.call("bench", "echo", Context::default());
    let results = call.expect("a call").unary(event.clone()).await;
    assert!(results.expect("a result").len() == 1);
}

/// A host with a function that takes so many calls at once, in one instance. On one core its
/// runtime has no threads.
fn tokio_host(concurrency: usize, cores: usize) -> (tokio::runtime::Runtime, Host) {
    let mut builder = match cores {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.enable_all().build().expect("a runtime");
    let host = runtime.block_on(async {
        let options = HostOptions {
            scale: Scale {
                min: 1,
                max: 1,
                ..Scale::default()
            },
            ..HostOptions::default()
        };
        let host = Host::new(options).expect("a host");
        let deployed = host.deploy("bench", manifest("function", concurrency), "/".into());
        let deployed = deployed.await.expect("a revision");
        assert!(deployed.status.is_ok(), "{:?}", deployed.status);
        host
    });
    (runtime, host)
}

/// Calls by one thread, of which so many are open: a session, and a loop that polls.
pub(crate) fn session_rate(
    program: &str,
    event: Event,
    in_flight: usize,
) -> impl FnMut(Duration) -> f64 {
    let mut loop_ = SessionLoop::start(program, in_flight);
    (0..in_flight).for_each(|_| loop_.call(&event));
    move |turn| {
        rate(turn, || {
            let ended = loop_.turn();
            (0..ended).for_each(|_| loop_.call(&event));
            ended
        })
    }
}

/// The least that drives a session.
struct SessionLoop {
    session: Session,
    stdin: OwnedFd,
    stdout: OwnedFd,
    buffer: Vec<u8>,
    /// Dropping it ends the function.
    _rest: Rest,
}

struct Rest {
    _sandbox: libfaas::host::Sandbox,
    _processes: Vec<libfaas::host::Process>,
    _stderr: Vec<OwnedFd>,
}

impl SessionLoop {
    fn start(program: &str, concurrency: usize) -> Self {
        let settings = Settings::default();
        let revision = revision(program, concurrency, &settings);
        let Instance {
            processes,
            stdin,
            stdout,
            stderr,
            sandbox,
        } = start(&revision, &settings, None).expect("an instance");
        for fd in [&stdin, &stdout] {
            let flags = fcntl_getfl(fd).expect("flags");
            fcntl_setfl(fd, flags | OFlags::NONBLOCK).expect("flags");
        }
        let mut this = SessionLoop {
            session: Session::new(revision.session(&settings), Instant::now()),
            stdin,
            stdout,
            buffer: vec![0; READ],
            _rest: Rest {
                _sandbox: sandbox,
                _processes: processes,
                _stderr: stderr,
            },
        };
        while !this.session.is_ready() {
            this.turn();
        }
        this
    }

    fn call(&mut self, event: &Event) {
        let call = self.session.open(Context::default(), None);
        self.session.send(call, Part::last(event.clone()));
    }

    /// Writes, waits, reads; how many calls have ended.
    fn turn(&mut self) -> usize {
        while !self.session.outgoing().is_empty() {
            match rustix::io::write(&self.stdin, self.session.outgoing()) {
                Ok(count) => self.session.wrote(count),
                Err(Errno::AGAIN) => break,
                Err(error) => panic!("the function's stdin: {error}"),
            }
        }
        let wanted = match self.session.outgoing().is_empty() {
            true => PollFlags::empty(),
            false => PollFlags::OUT,
        };
        let mut fds = [
            PollFd::new(&self.stdout, PollFlags::IN),
            PollFd::new(&self.stdin, wanted),
        ];
        poll(&mut fds, None).expect("poll");
        match rustix::io::read(&self.stdout, &mut self.buffer[..]) {
            Ok(0) => panic!("the function has ended"),
            Ok(count) => self.session.read(&self.buffer[..count], Instant::now()),
            Err(Errno::AGAIN) => {}
            Err(error) => panic!("the function's stdout: {error}"),
        }
        let mut ended = 0;
        while let Some(notice) = self.session.notice() {
            match notice {
                Notice::Part { part, .. } => {
                    if let Some(end) = part.end {
                        assert!(end.is_ok(), "{end:?}");
                        ended += 1;
                    }
                }
                Notice::Kill(status) => panic!("{status:?}"),
                Notice::Ready(_) | Notice::Retired => {}
            }
        }
        ended
    }
}
