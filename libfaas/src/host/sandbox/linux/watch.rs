//! One thread that waits for instances to run out of memory.
//!
//! Where a control group bounds it, the kernel raises an alarm; elsewhere the thread looks.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::io::Errno;

use super::sweep::Table;

/// How often the memory of instances without a control group is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// What is watched.
pub(super) trait Watched: Send + Sync {
    /// Its alarm was raised.
    fn alarm(&self);
    /// A look at the processes of the machine.
    fn look(&self, table: &Table);
}

/// Watches until it is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    number: u64,
    /// Of an alarm, whose next instance may be there before this one is gone.
    registration: Option<u64>,
}

/// A descriptor that the kernel writes to when memory runs out in a control group; it outlives the
/// instances that use the group, one after the other.
#[derive(Debug)]
pub(super) struct Alarm {
    number: u64,
    fd: OwnedFd,
}

struct Watcher {
    epoll: OwnedFd,
    /// Wakes the thread when the first one comes that has to be looked at.
    wake: OwnedFd,
    next: AtomicU64,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    /// By the alarm's number: who is told of it, and the number of this registration.
    alarms: HashMap<u64, (u64, Weak<dyn Watched>)>,
    looked_at: HashMap<u64, Weak<dyn Watched>>,
}

/// The wake-up's number among the alarms.
const WAKE: u64 = 0;

impl Alarm {
    pub(super) fn new() -> io::Result<Alarm> {
        let watcher = watcher()?;
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let number = watcher.next.fetch_add(1, Ordering::Relaxed);
        epoll::add(
            &watcher.epoll,
            &fd,
            epoll::EventData::new_u64(number),
            epoll::EventFlags::IN | epoll::EventFlags::ET,
        )?;
        Ok(Alarm { number, fd })
    }

    /// Tells this one when it is raised.
    pub(super) fn watch(&self, watched: Weak<dyn Watched>) -> Watch {
        let registration = watcher().ok().map(|watcher| {
            let registration = watcher.next.fetch_add(1, Ordering::Relaxed);
            let entry = (registration, watched);
            watcher.lock().alarms.insert(self.number, entry);
            registration
        });
        Watch {
            number: self.number,
            registration,
        }
    }
}

impl Alarm {
    /// Whether it has ever been raised; true once. Nobody else reads the descriptor, so it says so
    /// whether or not the thread has come to it.
    pub(super) fn take_raised(&self) -> bool {
        rustix::io::read(&self.fd, &mut [0; 8]).is_ok()
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Looks at it again and again.
pub(super) fn look(watched: Weak<dyn Watched>) -> io::Result<Watch> {
    let watcher = watcher()?;
    let number = watcher.next.fetch_add(1, Ordering::Relaxed);
    watcher.lock().looked_at.insert(number, watched);
    rustix::io::write(&watcher.wake, &1u64.to_ne_bytes())?;
    Ok(Watch {
        number,
        registration: None,
    })
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Ok(watcher) = watcher() {
            let mut entries = watcher.lock();
            let Some(mine) = self.registration else {
                entries.looked_at.remove(&self.number);
                return;
            };
            let current = entries.alarms.get(&self.number);
            if current.is_some_and(|&(registration, _)| registration == mine) {
                entries.alarms.remove(&self.number);
            }
        }
    }
}

fn watcher() -> io::Result<&'static Watcher> {
    static WATCHER: OnceLock<Watcher> = OnceLock::new();
    static STARTING: Mutex<()> = Mutex::new(());
    if let Some(watcher) = WATCHER.get() {
        return Ok(watcher);
    }
    let _one = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if WATCHER.get().is_none() {
        let made = Watcher {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            next: AtomicU64::new(WAKE + 1),
            entries: Mutex::default(),
        };
        epoll::add(
            &made.epoll,
            &made.wake,
            epoll::EventData::new_u64(WAKE),
            epoll::EventFlags::IN,
        )?;
        let _ = WATCHER.set(made);
        thread::Builder::new().name("faas-watch".into()).spawn(|| {
            if let Some(watcher) = WATCHER.get() {
                watcher.run();
            }
        })?;
    }
    WATCHER
        .get()
        .ok_or_else(|| io::Error::other("no thread that watches memory"))
}

impl Watcher {
    fn lock(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let time = Timespec {
            tv_sec: 0,
            tv_nsec: LOOK.subsec_nanos().into(),
        };
        let mut events = Vec::with_capacity(16);
        loop {
            let looking = !self.lock().looked_at.is_empty();
            events.clear();
            let waited = epoll::wait(
                self.epoll.as_fd(),
                rustix::buffer::spare_capacity(&mut events),
                looking.then_some(&time),
            );
            if waited.is_err_and(|error| error != Errno::INTR) {
                return;
            }
            for event in &events {
                match event.data.u64() {
                    WAKE => drop(rustix::io::read(&self.wake, &mut [0; 8])),
                    number => self.raise(number),
                }
            }
            self.look();
        }
    }

    fn raise(&self, number: u64) {
        // It is raised once: the instance does not live on.
        let watched = self.lock().alarms.remove(&number);
        if let Some(watched) = watched.and_then(|(_, watched)| watched.upgrade()) {
            watched.alarm();
        }
    }

    fn look(&self) {
        let all: Vec<Arc<dyn Watched>> = self
            .lock()
            .looked_at
            .values()
            .filter_map(Weak::upgrade)
            .collect();
        if all.is_empty() {
            return;
        }
        // The next look may see more.
        let Ok(table) = Table::read() else { return };
        for watched in all {
            watched.look(&table);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    struct Told(Sender<&'static str>, &'static str);

    impl Watched for Told {
        fn alarm(&self) {
            self.0.send(self.1).unwrap();
        }

        fn look(&self, _: &Table) {}
    }

    #[test]
    fn it_says_whether_it_was_raised_when_everybody_was_told() {
        let (sender, told) = channel();
        let only: Arc<dyn Watched> = Arc::new(Told(sender, "only"));
        let alarm = Alarm::new().unwrap();
        let _watch = alarm.watch(Arc::downgrade(&only));
        assert!(!alarm.take_raised());
        rustix::io::write(&alarm.fd, &1u64.to_ne_bytes()).unwrap();
        assert_eq!(told.recv_timeout(Duration::from_secs(60)), Ok("only"));
        assert!(alarm.take_raised());
        assert!(!alarm.take_raised());
    }

    #[test]
    fn one_that_ends_late_does_not_end_the_next() {
        let (sender, told) = channel();
        let first: Arc<dyn Watched> = Arc::new(Told(sender.clone(), "first"));
        let second: Arc<dyn Watched> = Arc::new(Told(sender, "second"));
        let alarm = Alarm::new().unwrap();
        let watch = alarm.watch(Arc::downgrade(&first));
        let _second = alarm.watch(Arc::downgrade(&second));
        drop(watch);
        rustix::io::write(&alarm.fd, &1u64.to_ne_bytes()).unwrap();
        assert_eq!(told.recv_timeout(Duration::from_secs(60)), Ok("second"));
    }
}
