//! Threads that live as long as the host, from which processes are started.
//!
//! The kernel's "die with your parent" means the thread that made the process, and namespaces are
//! entered by threads, too. Neither may be left to whatever thread happens to call us.

use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

/// Says whether its thread can do another.
type Job = Box<dyn FnOnce() -> bool + Send>;
type Queue = OnceLock<Mutex<Sender<Job>>>;

/// For threads that stay where the host is.
static HOME: Queue = OnceLock::new();
/// For threads that enter namespaces.
static AWAY: Queue = OnceLock::new();

thread_local! {
    /// This is a thread that stays where the host is.
    static STAYS: Cell<bool> = const { Cell::new(false) };
}

/// Runs it on a thread that never ends, some time later.
#[cfg(feature = "tokio")]
pub(super) fn post(job: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let job: Job = Box::new(move || {
        job();
        true
    });
    threads(&HOME)?.send(job).map_err(|_| gone())
}

/// Runs it on a thread that never ends, and waits for the result.
pub(super) fn run<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    run_on(&HOME, move || (job(), true))
}

/// Likewise, on one of the threads that enter namespaces. The job says whether its thread has come
/// back; if it has not, the thread is never used again.
pub(super) fn run_away<T: Send + 'static>(
    job: impl FnOnce() -> (T, bool) + Send + 'static,
) -> io::Result<T> {
    run_on(&AWAY, job)
}

fn run_on<T: Send + 'static>(
    queue: &'static Queue,
    job: impl FnOnce() -> (T, bool) + Send + 'static,
) -> io::Result<T> {
    let (answer, result) = sync_channel(1);
    let job: Job = Box::new(move || {
        let (value, usable) = job();
        let _ = answer.send(value);
        usable
    });
    threads(queue)?.send(job).map_err(|_| gone())?;
    result.recv().map_err(|_| gone())
}

fn gone() -> io::Error {
    io::Error::other("the thread that starts processes has panicked")
}

/// Whether the calling thread lives as long as the host: the main thread does, and ours do.
pub(super) fn lives_long() -> bool {
    STAYS.get() || rustix::thread::gettid() == rustix::process::getpid()
}

fn threads(queue: &'static Queue) -> io::Result<Sender<Job>> {
    static STARTING: Mutex<()> = Mutex::new(());
    if queue.get().is_none() {
        let _one = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.get().is_none() {
            let stays = std::ptr::eq(queue, &HOME);
            let _ = queue.set(Mutex::new(start(stays)?));
        }
    }
    let none = || io::Error::other("no thread to start processes from");
    let sender = queue.get().ok_or_else(none)?;
    Ok(sender
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone())
}

fn start(stays: bool) -> io::Result<Sender<Job>> {
    let (sender, receiver) = channel();
    let receiver = Arc::new(Mutex::new(receiver));
    // One that waits for something must not keep all others waiting.
    for _ in 0..thread::available_parallelism().map_or(2, |n| n.get().max(2)) {
        start_one(Arc::clone(&receiver), stays)?;
    }
    Ok(sender)
}

fn start_one(jobs: Arc<Mutex<Receiver<Job>>>, stays: bool) -> io::Result<()> {
    let thread = thread::Builder::new().name("faas-start".into());
    thread.spawn(move || serve(&jobs, stays)).map(drop)
}

fn serve(jobs: &Arc<Mutex<Receiver<Job>>>, stays: bool) {
    STAYS.set(stays);
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // A panic is the job's own; its caller sees that no answer comes.
        if !catch_unwind(AssertUnwindSafe(job)).unwrap_or(false) {
            let _ = start_one(Arc::clone(jobs), stays);
            // What it has started would die with it.
            loop {
                thread::park();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "tokio")]
    #[test]
    fn what_is_posted_runs_on_a_thread_that_stays() {
        let (sender, answer) = channel();
        let look = move || (lives_long(), run(lives_long).unwrap());
        post(move || sender.send(look()).unwrap()).unwrap();
        assert_eq!(answer.recv().unwrap(), (true, true));
        assert!(!lives_long(), "a test has a thread of its own");
        assert!(!run_away(|| (lives_long(), true)).unwrap());
    }

    #[test]
    fn a_panic_is_answered_and_survived() {
        let _ = run(|| panic!("expected by this test")).unwrap_err();
        for n in 0..100 {
            assert_eq!(run(move || n + 1).unwrap(), n + 1);
        }
    }
}
