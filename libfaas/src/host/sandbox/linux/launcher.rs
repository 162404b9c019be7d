//! Threads that live as long as the host, from which processes are started.
//!
//! The kernel's "die with your parent" means the thread that made the process, and namespaces are
//! entered by threads, too. Neither may be left to whatever thread happens to call us.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

type Job = Box<dyn FnOnce() + Send>;

/// Runs it on a thread that never ends, and waits for the result.
pub(super) fn run<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (answer, result) = sync_channel(1);
    let job: Job = Box::new(move || {
        let _ = answer.send(job());
    });
    let gone = || io::Error::other("the thread that starts processes has panicked");
    threads()?.send(job).map_err(|_| gone())?;
    result.recv().map_err(|_| gone())
}

/// Whether the calling thread lives as long as the host: the main thread does.
pub(super) fn lives_long() -> bool {
    rustix::thread::gettid() == rustix::process::getpid()
}

fn threads() -> io::Result<Sender<Job>> {
    static THREADS: OnceLock<Mutex<Sender<Job>>> = OnceLock::new();
    static STARTING: Mutex<()> = Mutex::new(());
    if THREADS.get().is_none() {
        let _one = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        if THREADS.get().is_none() {
            let _ = THREADS.set(Mutex::new(start()?));
        }
    }
    let sender = THREADS
        .get()
        .ok_or_else(|| io::Error::other("no thread to start processes from"))?;
    Ok(sender
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone())
}

fn start() -> io::Result<Sender<Job>> {
    let (sender, receiver) = channel();
    let receiver = Arc::new(Mutex::new(receiver));
    for _ in 0..thread::available_parallelism().map_or(1, |n| n.get()) {
        let receiver = Arc::clone(&receiver);
        thread::Builder::new()
            .name("faas-start".into())
            .spawn(move || serve(&receiver))?;
    }
    Ok(sender)
}

fn serve(jobs: &Mutex<Receiver<Job>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // A panic is the job's own; its caller sees that no answer comes.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_answered_and_survived() {
        let _ = run(|| panic!("expected by this test")).unwrap_err();
        for n in 0..100 {
            assert_eq!(run(move || n + 1).unwrap(), n + 1);
        }
    }
}
