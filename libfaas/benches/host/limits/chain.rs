//! Programs joined by pipes, which pass on what they read.

use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, ioctl_fionbio};

use crate::programs::READ;

/// Bytes per second through `cat | cat | …`, fed and read by one thread that never waits for one
/// while the other could go on.
#[allow(clippy::zombie_processes, reason = "they end with this process")]
pub(crate) fn cats(stages: usize) -> impl FnMut(Duration) -> f64 {
    let (first, feed) = std::io::pipe().expect("a pipe");
    let mut input = OwnedFd::from(first);
    for _ in 0..stages {
        let mut cat = Command::new("cat");
        cat.stdin(input).stdout(Stdio::piped());
        let mut child = cat.spawn().expect("cat starts");
        input = child.stdout.take().expect("a pipe").into();
    }
    let (feed, output) = (OwnedFd::from(feed), input);
    for fd in [&feed, &output] {
        ioctl_fionbio(fd, true).expect("a descriptor that does not block");
    }
    let bytes = vec![b'x'; READ];
    let mut buffer = vec![0; READ];
    move |turn| {
        let (start, mut total) = (Instant::now(), 0);
        while start.elapsed() < turn {
            let mut fds = [
                PollFd::new(&output, PollFlags::IN),
                PollFd::new(&feed, PollFlags::OUT),
            ];
            poll(&mut fds, None).expect("poll");
            match rustix::io::write(&feed, &bytes) {
                Ok(_) | Err(Errno::AGAIN) => {}
                Err(error) => panic!("the first cat: {error}"),
            }
            match rustix::io::read(&output, &mut buffer[..]) {
                Ok(0) => panic!("the last cat has ended"),
                Ok(count) => total += count,
                Err(Errno::AGAIN) => {}
                Err(error) => panic!("the last cat: {error}"),
            }
        }
        total as f64 / start.elapsed().as_secs_f64()
    }
}
