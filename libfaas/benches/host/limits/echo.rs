//! Two processes, and bytes that go there and back.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::event::call_bytes;
use crate::limits::clock::{latency, rate};
use crate::programs::{READ, whole_frames};

/// What two processes are joined by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Two pipes as the system makes them.
    Pipe,
    /// Two pipes of 1 MiB.
    WidePipe,
    SocketPair,
}

/// A process that sends back what it gets.
struct Peer {
    child: Child,
    stdin: Box<dyn Write>,
    stdout: Box<dyn Read>,
}

impl Peer {
    fn start(arguments: &[&str], transport: Transport) -> Peer {
        let this = std::env::current_exe().expect("the path of this program");
        let mut command = Command::new(this);
        command.args(arguments);
        if transport == Transport::SocketPair {
            let (ours, theirs) = UnixStream::pair().expect("a socket pair");
            let child = command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null());
            return Peer {
                child: child.spawn().expect("this program starts"),
                stdin: Box::new(ours.try_clone().expect("a descriptor")),
                stdout: Box::new(ours),
            };
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("this program starts");
        let stdin = child.stdin.take().expect("a pipe");
        let stdout = child.stdout.take().expect("a pipe");
        #[cfg(target_os = "linux")]
        if transport == Transport::WidePipe {
            rustix::pipe::fcntl_setpipe_size(&stdin, 1 << 20).expect("a pipe of 1 MiB");
            rustix::pipe::fcntl_setpipe_size(&stdout, 1 << 20).expect("a pipe of 1 MiB");
        }
        Peer {
            child,
            stdin: Box::new(stdin),
            stdout: Box::new(stdout),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One message there and back, with as many bytes as a call of an event with so much data.
pub(crate) fn ping_pong(size: usize, transport: Transport) -> impl FnMut(Duration) -> f64 {
    let bytes = call_bytes(size);
    let program = match transport {
        Transport::SocketPair => "echo-socket",
        Transport::Pipe | Transport::WidePipe => "echo",
    };
    let mut peer = Peer::start(&[program, &bytes.len().to_string()], transport);
    let mut buffer = vec![0; bytes.len()];
    move |turn| {
        latency(turn, || {
            peer.stdin.write_all(&bytes).expect("the peer reads");
            peer.stdout
                .read_exact(&mut buffer)
                .expect("the peer writes");
        })
    }
}

/// Messages there and back, of which so many are on their way: as many as one read has brought are
/// written at once.
pub(crate) fn framed(size: usize, in_flight: usize) -> impl FnMut(Duration) -> f64 {
    let frame = call_bytes(size);
    let frames = frame.repeat(in_flight);
    let mut peer = Peer::start(&["frames"], Transport::Pipe);
    let mut buffer = vec![0; READ];
    let mut held = 0;
    peer.stdin.write_all(&frames).expect("the peer reads");
    move |turn| {
        rate(turn, || {
            let count = peer
                .stdout
                .read(&mut buffer[held..])
                .expect("the peer writes");
            held += count;
            let (count, whole) = whole_frames(&buffer[..held]);
            buffer.copy_within(whole..held, 0);
            held -= whole;
            peer.stdin
                .write_all(&frames[..count * frame.len()])
                .expect("the peer reads");
            count
        })
    }
}
