//! A warm unary call of the blocking host and a function of libfaas, in Protobuf, as a ratio to a
//! raw ping-pong of as many bytes over the same kind of pipes, in one run:
//!
//! ```sh
//! cargo bench -p libfaas --features host --bench warm
//! ```
//!
//! "Host alone" is a call of a function that passes bytes on as they are. All are measured in turns,
//! so that what else the machine does meets all. "One core" is what
//! the software costs; with two, a wake-up of an idle core is most of it. No test: figures of a busy
//! machine prove nothing.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use libfaas::host::{Blocking, Revision, Settings};
use libfaas::{Context, Encoding, Event, Manifest, Message, Status, encode_message};

/// Turns that each size has, of which the medians' median counts.
const TURNS: usize = 15;
/// Bytes of data, and the most that the target allows on one core.
const SIZES: [(usize, f64); 4] = [
    (64, 1.25),
    (1 << 10, 1.25),
    (64 << 10, 1.15),
    (1 << 20, 1.15),
];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("function") => return libfaas::serve(Ok::<Event, Status>),
        // What a host writes is what a function may write, its hello too.
        Some("pass") => return raw(1, 64 << 10),
        Some("raw") => {
            let size = arguments.next().and_then(|size| size.parse().ok());
            let size = size.expect("a size");
            return raw(size, size);
        }
        // `cargo test --benches` builds and runs it: there is nothing to test.
        Some("--test") => return ExitCode::SUCCESS,
        _ => {}
    }
    println!(
        "| cores | data | raw ping-pong, p50 | host alone, p50 | ratio | call, p50 | ratio | target |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for cores in [1, 2] {
        if !pin(cores) {
            println!("| {cores} | not on this machine | | | | | | |");
            continue;
        }
        for (size, target) in SIZES {
            let [raw, host, call] = measure(size);
            let target = if cores == 1 {
                format!("≤ {target}")
            } else {
                "–".to_owned()
            };
            let of_raw = |time: Duration| time.as_secs_f64() / raw.as_secs_f64();
            println!(
                "| {cores} | {size} B | {raw:.1?} | {host:.1?} | {:.2} | {call:.1?} | {:.2} | {target} |",
                of_raw(host),
                of_raw(call)
            );
        }
    }
    ExitCode::SUCCESS
}

/// Sends back what comes, so many bytes at a time. Nothing is buffered but by pipes.
fn raw(least: usize, most: usize) -> ExitCode {
    let (stdin, stdout) = (rustix::stdio::stdin(), rustix::stdio::stdout());
    let mut buffer = vec![0; most];
    loop {
        let mut held = 0;
        while held < least {
            match rustix::io::read(stdin, &mut buffer[held..]) {
                Ok(count @ 1..) => held += count,
                _ => return ExitCode::SUCCESS,
            }
        }
        let mut written = 0;
        while written < held {
            match rustix::io::write(stdout, &buffer[written..held]) {
                Ok(count) => written += count,
                Err(_) => return ExitCode::SUCCESS,
            }
        }
    }
}

/// The medians of a raw round, of a call of a function that passes bytes on, and of one of libfaas.
fn measure(size: usize) -> [Duration; 3] {
    let event = event(size);
    let mut pair = Pair::start(encoded(&event));
    let (mut pass, mut function) = (function("pass"), function("function"));
    let rounds = if size > 100_000 { 60 } else { 600 };
    let mut turns = [const { Vec::new() }; 3];
    for turn in 0..=TURNS {
        let medians = [
            median(rounds, || pair.round()),
            median(rounds, || call(&mut pass, &event)),
            median(rounds, || call(&mut function, &event)),
        ];
        // The first turn warms up.
        if turn > 0 {
            turns
                .iter_mut()
                .zip(medians)
                .for_each(|(turns, median)| turns.push(median));
        }
    }
    turns.map(|mut turns| {
        turns.sort();
        turns[TURNS / 2]
    })
}

fn call(function: &mut Blocking, event: &Event) {
    let results = function.call(Context::default(), event.clone());
    assert!(results.expect("a result").len() == 1);
}

fn median(rounds: usize, mut round: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            round();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[rounds / 2]
}

/// Six attributes besides the data.
fn event(size: usize) -> Event {
    Event::builder(
        "0123456789abcdef",
        "/shop/orders",
        "com.example.order.placed",
    )
    .subject("orders/42")
    .time("2026-11-21T06:00:00Z")
    .datacontenttype("application/octet-stream")
    .data(vec![b'x'; size])
    .build()
    .expect("a valid event")
}

/// What a call writes, with a context as the host completes it.
fn encoded(event: &Event) -> Vec<u8> {
    let message = Message {
        call: 1000,
        context: Some(Context {
            attempt: 1,
            deadline_ms: Some(1_795_000_000_000),
            ..Context::default()
        }),
        event: Some(event.clone()),
        end: Some(Status::ok()),
        ..Message::default()
    };
    let mut bytes = Vec::new();
    encode_message(&message, Encoding::Protobuf, &mut bytes);
    bytes
}

fn function(what: &str) -> Blocking {
    let this = std::env::current_exe().expect("the path of this program");
    let yaml = format!(
        "{{fsi: \"1.0\", name: echo, command: [{:?}, {what}], modes: [stream], encodings: [protobuf]}}",
        this.display().to_string()
    );
    let settings = Settings::default();
    let manifest = Manifest::from_yaml(&yaml).expect("a manifest");
    let revision = Revision::new(manifest, "/", "bench", "r1", &settings).expect("a revision");
    let mut function = Blocking::new(revision, settings);
    function.start().expect("a function");
    function
}

/// A process that sends back what it gets, and the bytes to send.
struct Pair {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    bytes: Vec<u8>,
    buffer: Vec<u8>,
}

impl Pair {
    fn start(bytes: Vec<u8>) -> Self {
        let this = std::env::current_exe().expect("the path of this program");
        let mut child = Command::new(this)
            .args(["raw", &bytes.len().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts");
        Pair {
            stdin: child.stdin.take().expect("a pipe"),
            stdout: child.stdout.take().expect("a pipe"),
            child,
            buffer: vec![0; bytes.len()],
            bytes,
        }
    }

    fn round(&mut self) {
        self.stdin.write_all(&self.bytes).expect("the pair reads");
        self.stdout
            .read_exact(&mut self.buffer)
            .expect("the pair writes");
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Keeps this process, and those that it starts, on so many cores; false where there are fewer.
#[cfg(target_os = "linux")]
fn pin(cores: usize) -> bool {
    use rustix::thread::{CpuSet, sched_setaffinity};
    let mut set = CpuSet::new();
    (0..cores).for_each(|core| set.set(core));
    sched_setaffinity(None, &set).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn pin(cores: usize) -> bool {
    cores == 2
}
