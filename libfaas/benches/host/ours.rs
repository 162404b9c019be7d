//! What is measured: the hosts of this library, with functions of this library.

use std::io::IoSlice;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use libfaas::host::{
    Blocking, Host, HostOptions, Instance, Notice, Part, Process, Revision, Sandbox, Scale,
    Session, Settings, start,
};
use libfaas::{Context, Event, Manifest};
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use tokio::runtime::Runtime;

use crate::limits::clock::{latency, rate};

/// The manifest of a function in stream mode that is this program.
pub(crate) fn manifest(program: &str, concurrency: usize) -> Manifest {
    let this = std::env::current_exe().expect("the path of this program");
    let this = this.to_str().expect("a path in UTF-8");
    manifest_of(&[this, program], concurrency)
}

/// The manifest of any.
pub(crate) fn manifest_of(command: &[&str], concurrency: usize) -> Manifest {
    let yaml = format!(
        "{{fsi: \"1.0\", name: echo, command: {command:?}, modes: [stream], encodings: [protobuf], concurrency: {concurrency}}}"
    );
    Manifest::from_yaml(&yaml).expect("a manifest")
}

/// Warm calls by one thread, one at a time.
pub(crate) fn blocking(program: &str, event: Event) -> impl FnMut(Duration) -> f64 {
    let settings = Settings::default();
    let revision = Revision::new(manifest(program, 1), "/", "bench", "r1", &settings);
    let mut function = Blocking::new(revision.expect("a revision"), settings);
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
    let (runtime, host) = tokio_host(manifest("function", 1), "/".into(), cores);
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
    manifest: Manifest,
    folder: PathBuf,
    event: Event,
    in_flight: usize,
    cores: usize,
) -> impl FnMut(Duration) -> f64 {
    let (runtime, host) = tokio_host(manifest, folder, cores);
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

/// A host with a function in one instance.
fn tokio_host(manifest: Manifest, folder: PathBuf, cores: usize) -> (Runtime, Host) {
    let runtime = runtime(cores);
    let host = runtime.block_on(async {
        let scale = Scale {
            min: 1,
            max: 1,
            ..Scale::default()
        };
        let options = HostOptions {
            scale,
            ..HostOptions::default()
        };
        let host = Host::new(options).expect("a host");
        let deployed = host.deploy("bench", manifest, folder).await;
        let deployed = deployed.expect("a revision");
        assert!(deployed.status.is_ok(), "{:?}", deployed.status);
        host
    });
    (runtime, host)
}

/// On one core it has no threads of its own.
pub(crate) fn runtime(cores: usize) -> Runtime {
    let mut builder = match cores {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.enable_all().build().expect("a runtime")
}

/// Calls by one thread, of which so many are open: a session, and a loop that polls.
pub(crate) fn session_rate(
    manifest: Manifest,
    event: Event,
    in_flight: usize,
) -> impl FnMut(Duration) -> f64 {
    let mut loop_ = SessionLoop::start(manifest);
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
pub(crate) struct SessionLoop {
    session: Session,
    stdin: OwnedFd,
    stdout: OwnedFd,
    processes: Vec<Process>,
    stderr: Vec<OwnedFd>,
    /// Dropping it ends the function.
    _sandbox: Sandbox,
}

impl SessionLoop {
    pub(crate) fn start(manifest: Manifest) -> Self {
        let settings = Settings::default();
        let revision = Revision::new(manifest, "/", "bench", "r1", &settings).expect("a revision");
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
            processes,
            stderr,
            _sandbox: sandbox,
        };
        while !this.session.is_ready() {
            this.turn();
        }
        this
    }

    pub(crate) fn call(&mut self, event: &Event) {
        let call = self.session.open(Context::default(), None);
        self.session.send(call, Part::last(event.clone()));
    }

    fn last_words(&self) -> String {
        let mut words = vec![0; 4096];
        let count = rustix::io::read(&self.stderr[0], &mut words[..]).unwrap_or(0);
        String::from_utf8_lossy(&words[..count]).into_owned()
    }

    /// The process of the first stage.
    pub(crate) fn pid(&self) -> u32 {
        self.processes[0].pid()
    }

    /// Writes, waits, reads; how many calls have ended.
    pub(crate) fn turn(&mut self) -> usize {
        while self.session.unwritten() > 0 {
            let mut slices = [IoSlice::new(&[]); 8];
            let used = self.session.outgoing_slices(&mut slices);
            match rustix::io::writev(&self.stdin, &slices[..used]) {
                Ok(count) => self.session.wrote(count),
                Err(Errno::AGAIN) => break,
                Err(error) => panic!("the function's stdin: {error}"),
            }
        }
        let wanted = match self.session.unwritten() {
            0 => PollFlags::empty(),
            _ => PollFlags::OUT,
        };
        let mut fds = [
            PollFd::new(&self.stdout, PollFlags::IN),
            PollFd::new(&self.stdin, wanted),
        ];
        poll(&mut fds, None).expect("poll");
        match rustix::io::read(&self.stdout, spare_capacity(self.session.buffer())) {
            Ok(0) => panic!("the function has ended: {}", self.last_words()),
            Ok(_) => self.session.read(&[], Instant::now()),
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
