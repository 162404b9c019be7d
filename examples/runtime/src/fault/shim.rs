//! The process between a host and a function, or between a caller and the driver.

use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use libfaas::{Encoding, Mode};
use signal_hook::consts::SIGTERM;

use super::wire::{Do, Ending, Memory, Seen, Stderr, Wiring, frames};
use super::{Does, Fault};

/// How often a fault is asked whether it has something to do.
const TICK: Duration = Duration::from_millis(20);
/// How long after the end of a process its output may take to come.
const LATE: Duration = Duration::from_millis(200);

/// What process this is.
pub(super) struct Place {
    pub(super) mode: Mode,
    pub(super) encoding: Encoding,
    /// Its place in the pipeline, from 1.
    pub(super) stage: usize,
    pub(super) stages: usize,
}

impl Place {
    /// The place that the environment says.
    pub(super) fn here(stage: usize, stages: usize) -> Place {
        let var = |name| std::env::var(name).unwrap_or_default();
        Place {
            mode: var("FAAS_MODE").parse().unwrap_or(Mode::Stream),
            encoding: var("FAAS_ENCODING").parse().unwrap_or(Encoding::Json),
            stage,
            stages,
        }
    }
}

/// Starts a function as the fault asks for it.
pub(super) fn run(fault: &Fault, args: &super::Shim) -> ExitCode {
    let place = Place::here(args.stage, args.stages);
    let mut command = Command::new(&args.command[0]);
    command.args(&args.command[1..]);
    let mut wiring = None;
    for does in fault.does {
        match does {
            Does::Command(change) => change(&mut command, &place),
            Does::Function(wires) if (wires.applies)(&place) => wiring = Some(*wires),
            _ => {}
        }
    }
    let Some(wiring) = wiring else {
        return cant_start(&command.exec());
    };
    // It leads a session, as it would without this process, and as a rule does not outlive it.
    let signal = if wiring.dies_together {
        "KILL"
    } else {
        "clear"
    };
    let mut inside = Command::new("setpriv");
    inside.args(["--pdeathsig", signal, "setsid"]);
    inside.arg(command.get_program()).args(command.get_args());
    match between(inside, wiring, &place) {
        Ok(ending) => end(ending),
        Err(error) => cant_start(&error),
    }
}

fn cant_start(error: &std::io::Error) -> ExitCode {
    eprintln!("fault-shim: {error}");
    ExitCode::from(127)
}

/// Ends as something else has ended.
fn end(ending: Ending) -> ExitCode {
    match ending {
        Ending::Exit(status) => ExitCode::from(u8::try_from(status).unwrap_or(70)),
        Ending::Signal(signal) => {
            let _ = signal_hook::low_level::emulate_default_handler(signal);
            if let Some(signal) = rustix::process::Signal::from_named_raw(signal) {
                // A handler that was there puts the default in its place at the first one.
                for _ in 0..2 {
                    let _ = rustix::process::kill_process(rustix::process::getpid(), signal);
                }
            }
            ExitCode::from(70)
        }
    }
}

enum Happened {
    Down(Vec<u8>),
    DownEnd,
    Up(Vec<u8>),
    UpEnd,
    Exit(Ending),
}

/// Runs a command, and does to what passes what the wiring says. Gives how it seems to have ended.
pub(super) fn between(
    mut command: Command,
    wiring: &Wiring,
    place: &Place,
) -> std::io::Result<Ending> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    match wiring.stderr {
        Stderr::Right => {}
        _ => drop(command.stderr(Stdio::piped())),
    }
    let mut child = command.spawn()?;
    let pid = rustix::process::Pid::from_child(&child);
    let terminated = Arc::<AtomicBool>::default();
    signal_hook::flag::register(SIGTERM, Arc::clone(&terminated))?;
    let stderr = stderr(&mut child, wiring.stderr);
    let (happens, happened) = channel();
    let turn = Arc::new(Mutex::new(()));
    let turn = (!wiring.reads_while_writing).then_some(turn);
    let down = {
        let stdin = child.stdin.take().expect("it is piped");
        writer(stdin, turn.clone())
    };
    reader(
        std::io::stdin(),
        happens.clone(),
        None,
        Happened::Down,
        Happened::DownEnd,
    );
    let stdout = child.stdout.take().expect("it is piped");
    reader(stdout, happens.clone(), turn, Happened::Up, Happened::UpEnd);
    let waited = happens;
    let mut wait = WaitFor(Some(child));
    std::thread::spawn(move || {
        let _ = waited.send(Happened::Exit(wait.ending()));
    });
    let mut between = Between {
        wiring,
        place,
        memory: Memory::default(),
        down: Some(down),
        up: Some(writer(std::io::stdout(), None)),
        came_down: Vec::new(),
        came_up: Vec::new(),
        raw_up: false,
        pid,
        terminated,
    };
    let ending = between.run(&happened);
    let Between {
        up, down, memory, ..
    } = between;
    drop(down);
    if let Some((bytes, thread)) = up {
        drop(bytes);
        let _ = thread.join();
    }
    if let (Some(stderr), false) = (stderr, matches!(wiring.stderr, Stderr::Unread)) {
        let _ = stderr.join();
    }
    Ok(wiring
        .exit
        .map_or(ending, |change| change(&memory, ending, place)))
}

struct WaitFor(Option<Child>);

impl WaitFor {
    fn ending(&mut self) -> Ending {
        let status = self.0.take().map(|mut child| child.wait());
        let status = status
            .and_then(Result::ok)
            .unwrap_or(ExitStatus::from_raw(70 << 8));
        match (status.code(), status.signal()) {
            (Some(code), _) => Ending::Exit(code),
            (None, signal) => Ending::Signal(signal.unwrap_or(9)),
        }
    }
}

type Writer = (Sender<Vec<u8>>, JoinHandle<bool>);

/// Writes what it is sent, until the sender is dropped. Gives whether all could be written.
fn writer(mut to: impl Write + Send + 'static, turn: Option<Arc<Mutex<()>>>) -> Writer {
    let (send, receive) = channel::<Vec<u8>>();
    let thread = std::thread::spawn(move || {
        let mut all = true;
        for bytes in receive {
            let _turn = turn
                .as_ref()
                .map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
            all = all && to.write_all(&bytes).and_then(|()| to.flush()).is_ok();
        }
        all
    });
    (send, thread)
}

/// Tells what is read. With a turn it reads only while nothing is being written.
fn reader(
    mut from: impl Read + Send + 'static,
    tell: Sender<Happened>,
    turn: Option<Arc<Mutex<()>>>,
    bytes: fn(Vec<u8>) -> Happened,
    end: Happened,
) {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        loop {
            if let Some(turn) = &turn {
                // Whoever writes begins first.
                std::thread::sleep(TICK);
                drop(turn.lock().unwrap_or_else(PoisonError::into_inner));
            }
            match from.read(&mut buffer) {
                Ok(0) | Err(_) => break drop(tell.send(end)),
                Ok(n) => drop(tell.send(bytes(buffer[..n].to_vec()))),
            }
        }
    });
}

/// Passes stderr on as the fault has it.
fn stderr(child: &mut Child, how: Stderr) -> Option<JoinHandle<()>> {
    let mut from = child.stderr.take()?;
    Some(std::thread::spawn(move || {
        let mut to = std::io::stderr();
        match how {
            Stderr::Right => {}
            Stderr::Unread => loop {
                std::thread::park();
            },
            Stderr::Whole(change) => {
                let mut all = Vec::new();
                let _ = from.read_to_end(&mut all);
                let _ = to.write_all(&change(all));
            }
            Stderr::Lines(change) => {
                use std::io::BufRead;
                let mut lines = std::io::BufReader::new(from);
                let mut line = Vec::new();
                while lines.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                    let text = String::from_utf8_lossy(&line);
                    let _ = to.write_all(change(&text).as_bytes());
                    line.clear();
                }
            }
        }
    }))
}

struct Between<'a> {
    wiring: &'a Wiring,
    place: &'a Place,
    memory: Memory,
    down: Option<Writer>,
    up: Option<Writer>,
    came_down: Vec<u8>,
    came_up: Vec<u8>,
    /// What comes up is no messages any more.
    raw_up: bool,
    pid: rustix::process::Pid,
    terminated: Arc<AtomicBool>,
}

impl Between<'_> {
    fn run(&mut self, happened: &Receiver<Happened>) -> Ending {
        let stream = self.place.mode == Mode::Stream;
        let (mut ending, mut up_ended, mut down_ended) = (None, false, false);
        let mut quiet = Duration::ZERO;
        loop {
            if self.terminated.swap(false, Ordering::Relaxed) && self.wiring.terminates {
                let _ = rustix::process::kill_process(self.pid, rustix::process::Signal::TERM);
            }
            match ending {
                Some(_) if self.wiring.lives_on && !down_ended => {}
                Some(_) if self.wiring.epipe_fails && !down_ended => {}
                Some(ending) if up_ended => return ending,
                Some(ending) if quiet > LATE && !self.wiring.waits_for_eof => {
                    if stream {
                        self.up_end();
                    }
                    return ending;
                }
                _ => {}
            }
            let next = match happened.recv_timeout(TICK) {
                Ok(next) => next,
                Err(RecvTimeoutError::Timeout) => {
                    quiet += TICK;
                    if stream && quiet > LATE && !self.came_up.is_empty() {
                        // No message, or not for long.
                        self.raw_up = true;
                        let rest = std::mem::take(&mut self.came_up);
                        self.send_up(rest);
                    }
                    if stream {
                        self.see(Seen::Tick);
                    }
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return ending.unwrap_or(Ending::Exit(70)),
            };
            quiet = Duration::ZERO;
            match next {
                Happened::Down(bytes) if stream => {
                    self.came_down.extend(bytes);
                    for frame in frames(&mut self.came_down, self.place.encoding) {
                        self.see(Seen::Down(frame));
                    }
                }
                Happened::Up(bytes) if stream && self.raw_up => self.send_up(bytes),
                Happened::Up(bytes) if stream => {
                    self.came_up.extend(bytes);
                    for frame in frames(&mut self.came_up, self.place.encoding) {
                        self.see(Seen::Up(frame));
                    }
                }
                Happened::DownEnd if stream => {
                    down_ended = true;
                    let rest = std::mem::take(&mut self.came_down);
                    self.send_down(rest);
                    self.see(Seen::DownEnd);
                }
                Happened::UpEnd if stream => {
                    up_ended = true;
                    self.up_end();
                }
                Happened::Exit(how) => {
                    if stream {
                        self.see(Seen::Exit(how));
                    }
                    ending = Some(how);
                }
                // In the modes for one invocation there is one input, and one end of it.
                Happened::Down(bytes) if self.wiring.stdin.is_some() => {
                    self.came_down.extend(bytes)
                }
                Happened::Down(bytes) => self.send_down(bytes),
                Happened::DownEnd => {
                    down_ended = true;
                    let mut input = std::mem::take(&mut self.came_down);
                    if let Some(change) = self.wiring.stdin {
                        change(&mut input);
                    }
                    self.send_down(input);
                    let written = self.down.take().map(|(bytes, thread)| {
                        drop(bytes);
                        thread
                    });
                    if self.wiring.epipe_fails
                        && written.is_some_and(|thread| !thread.join().unwrap_or(true))
                    {
                        let _ =
                            rustix::process::kill_process(self.pid, rustix::process::Signal::KILL);
                        return Ending::Exit(1);
                    }
                }
                Happened::Up(bytes) => {
                    self.memory.output += bytes.len();
                    self.send_up(bytes);
                }
                Happened::UpEnd => {
                    up_ended = true;
                }
            }
        }
    }

    fn up_end(&mut self) {
        let rest = std::mem::take(&mut self.came_up);
        self.see(Seen::UpEnd(rest));
    }

    fn see(&mut self, seen: Seen) {
        self.memory.watch(&seen);
        let done = match self.wiring.stream {
            Some(act) => act(&mut self.memory, seen),
            None => seen.pass(),
        };
        self.memory.watch_done(&done);
        for done in done {
            match done {
                Do::Down(frame) => self.send_down(frame.into_bytes(self.place.encoding)),
                Do::Up(frame) => self.send_up(frame.into_bytes(self.place.encoding)),
                Do::EndDown => drop(self.down.take()),
                Do::EndUp => self.close_up(),
                Do::Kill => {
                    let _ = rustix::process::kill_process(self.pid, rustix::process::Signal::KILL);
                }
            }
        }
    }

    /// Closes stdout once everything is written.
    fn close_up(&mut self) {
        if let Some((bytes, thread)) = self.up.take() {
            drop(bytes);
            let _ = thread.join();
            // Descriptor 1 is the pipe's last end here.
            if let Ok(null) = std::fs::File::options().write(true).open("/dev/null") {
                let _ = rustix::stdio::dup2_stdout(&null);
            }
        }
    }

    fn send_down(&mut self, bytes: Vec<u8>) {
        if let Some((writer, _)) = &self.down
            && !bytes.is_empty()
        {
            let _ = writer.send(bytes);
        }
    }

    fn send_up(&mut self, bytes: Vec<u8>) {
        if let Some((writer, _)) = &self.up
            && !bytes.is_empty()
        {
            let _ = writer.send(bytes);
        }
    }
}
