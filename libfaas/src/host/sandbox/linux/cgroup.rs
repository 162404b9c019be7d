//! Control groups, of version 2 and of version 1.
//!
//! A host keeps its instances below its own group, so whatever bounds the host bounds them as well.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, getpid, pidfd_open, pidfd_send_signal, waitid,
};

use super::outbound::Programs;
use super::process::wait_readable;
use super::spawn::Doors;
use super::watch::{Alarm, Watch, Watched};
use super::{lock, sweep};

/// What a control group can bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Controller {
    Memory,
    Pids,
    Cpu,
}

impl Controller {
    pub(super) const ALL: [Controller; 3] = [Controller::Memory, Controller::Pids, Controller::Cpu];

    pub(super) fn name(self) -> &'static str {
        match self {
            Controller::Memory => "memory",
            Controller::Pids => "pids",
            Controller::Cpu => "cpu",
        }
    }
}

/// The groups below which instances have theirs.
#[derive(Debug, Default)]
pub(super) struct Hierarchies {
    found: Vec<Hierarchy>,
    /// Why a controller isn't there, for people.
    pub(super) complaints: Vec<String>,
}

#[derive(Debug)]
struct Hierarchy {
    /// Our own group in it; made by us.
    base: PathBuf,
    unified: bool,
    controllers: Vec<Controller>,
    /// Open and locked for as long as we live: to another host in another PID namespace, nobody has
    /// the number that names it.
    held: Option<File>,
}

/// What an instance's group has to bound; None: it doesn't.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) memory: Option<u64>,
    pub(super) pids: Option<u64>,
    pub(super) millicores: Option<u64>,
    /// Where it may connect to. Needs version 2, if only for this.
    pub(super) connections: bool,
}

/// The groups of one instance, with nothing in them before. Dropping it kills what is in them and
/// keeps them for the next instance with the same limits: to make and remove groups costs more than
/// to start a small program.
#[derive(Debug)]
pub(super) struct Group {
    limits: Limits,
    /// None only while it is dropped.
    made: Option<Made>,
}

/// Groups that were made. Dropping them removes them.
#[derive(Debug, Default)]
struct Made {
    dirs: Vec<Dir>,
    alarm: Option<Alarm>,
    /// Whether it was killed, for which it is closed to new processes.
    closed: AtomicBool,
    /// How often its doors were opened and closed.
    doors: Arc<AtomicU64>,
    /// What `doors` said when nothing was in it, and one.
    vacant: AtomicU64,
    /// Those that the host may have to reap, and that nobody can find once they are dead.
    killed: Mutex<HashMap<Pid, OwnedFd>>,
}

/// Those that wait for their next instance, by age.
static FREE: Mutex<Vec<(Limits, Made)>> = Mutex::new(Vec::new());

/// How many of the same limits may wait. Each holds descriptors, and how many would wait otherwise is
/// a matter of how fast those before are cleaned up: that must not look like a leak. Tests of this
/// module look for their own among those of all others.
const KEPT: usize = if cfg!(test) { 128 } else { 2 };

/// How many may wait, of all limits together.
const KEPT_IN_ALL: usize = 8 * KEPT;

#[derive(Debug)]
struct Dir {
    path: PathBuf,
    unified: bool,
    controllers: Vec<Controller>,
    /// Of version 2, its folder and its `cgroup.procs`, which each of its instances needs.
    open: Option<(Arc<OwnedFd>, Arc<OwnedFd>)>,
}

impl Hierarchies {
    /// Those of this host, found at the first use.
    pub(super) fn get() -> &'static Hierarchies {
        static FOUND: OnceLock<Hierarchies> = OnceLock::new();
        FOUND.get_or_init(|| {
            let read = |path| fs::read_to_string(path).unwrap_or_default();
            let found = Hierarchies::find(
                &read("/proc/self/mountinfo"),
                &read("/proc/self/cgroup"),
                std::process::id(),
            );
            extern "C" fn remove() {
                if let Some(found) = FOUND.get() {
                    lock_free().clear();
                    for hierarchy in &found.found {
                        if !hierarchy.held.as_ref().is_some_and(is_held) {
                            let _ = fs::remove_dir(&hierarchy.base);
                        }
                    }
                }
            }
            // SAFETY: registers a function that lives as long as the program and does not unwind.
            unsafe { libc::atexit(remove) };
            found
        })
    }

    fn find(mountinfo: &str, own: &str, pid: u32) -> Hierarchies {
        let mut hierarchies = Hierarchies::default();
        for mount in mountinfo.lines().filter_map(Mount::parse) {
            let path = own.lines().find_map(|line| mount.own_path(line));
            let Some(path) = path else { continue };
            match mount.hierarchy(&path, pid) {
                Ok(hierarchy) => hierarchies.found.push(hierarchy),
                Err(complaint) => hierarchies.complaints.push(complaint),
            }
        }
        // One that serves as the list of an instance's processes comes first: killing is one write.
        hierarchies
            .found
            .sort_by_key(|hierarchy| !hierarchy.unified);
        hierarchies
    }

    pub(super) fn has(&self, controller: Controller) -> Option<&'static str> {
        let of = |h: &&Hierarchy| h.controllers.contains(&controller);
        self.found
            .iter()
            .find(of)
            .map(|h| if h.unified { "cgroup v2" } else { "cgroup v1" })
    }

    /// Whether there is one of version 2, with controllers or without.
    pub(super) fn has_unified(&self) -> bool {
        self.found.iter().any(|h| h.unified)
    }

    /// A group with these limits. None where there are no groups to be had.
    pub(super) fn group(&self, limits: &Limits) -> io::Result<Option<Group>> {
        let mut free = lock_free();
        if let Some(at) = free.iter().position(|(of, _)| of == limits) {
            let (_, made) = free.remove(at);
            return Ok(Some(Group {
                limits: *limits,
                made: Some(made),
            }));
        }
        drop(free);
        let bound = |controller: &Controller| match controller {
            Controller::Memory => limits.memory.is_some(),
            Controller::Pids => limits.pids.is_some(),
            Controller::Cpu => limits.millicores.is_some(),
        };
        let mut wanted: Vec<&Hierarchy> = self
            .found
            .iter()
            .filter(|h| h.controllers.iter().any(bound))
            .collect();
        if !wanted.iter().any(|h| h.unified) {
            match self.found.iter().find(|h| h.unified) {
                // There the dead can be told whose they were.
                Some(hierarchy) if limits.connections || inherits() => wanted.insert(0, hierarchy),
                None if limits.connections => return Err(io::ErrorKind::Unsupported.into()),
                _ => {}
            }
        }
        if wanted.is_empty() {
            wanted.extend(self.found.first());
        }
        if wanted.is_empty() {
            return Ok(None);
        }
        let mut made = loop {
            match Made::named_anew(&wanted) {
                // Of a host that had our number before us.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => break made?,
            }
        };
        made.dirs.iter_mut().try_for_each(Dir::open)?;
        made.limit(limits)?;
        made.alarm = made.memory_alarm(limits)?;
        Ok(Some(Group {
            limits: *limits,
            made: Some(made),
        }))
    }
}

fn lock_free() -> MutexGuard<'static, Vec<(Limits, Made)>> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Mount<'a> {
    root: &'a str,
    point: &'a str,
    unified: bool,
    options: &'a str,
}

impl<'a> Mount<'a> {
    /// A line of mountinfo: id, parent, device, root, mount point, …, `-`, type, source, options.
    fn parse(line: &'a str) -> Option<Mount<'a>> {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let (root, point) = (before.next()?, before.next()?);
        let mut after = after.split(' ');
        let unified = match after.next()? {
            "cgroup2" => true,
            "cgroup" => false,
            _ => return None,
        };
        let options = after.nth(1)?;
        Some(Mount {
            root,
            point,
            unified,
            options,
        })
    }

    fn controllers(&self) -> Vec<Controller> {
        let named = |c: &Controller| self.options.split(',').any(|option| option == c.name());
        Controller::ALL.into_iter().filter(named).collect()
    }

    /// The folder of the host's own group, if this line of `/proc/self/cgroup` is this hierarchy's.
    fn own_path(&self, line: &str) -> Option<PathBuf> {
        let mut fields = line.splitn(3, ':').skip(1);
        let (names, path) = (fields.next()?, fields.next()?);
        let ours = match self.unified {
            true => names.is_empty(),
            false => {
                let first = self.controllers().first()?.name();
                names.split(',').any(|name| name == first)
            }
        };
        let below = path
            .strip_prefix(self.root.trim_end_matches('/'))
            .unwrap_or(path);
        ours.then(|| Path::new(self.point).join(below.trim_start_matches('/')))
    }

    fn hierarchy(&self, own: &Path, pid: u32) -> Result<Hierarchy, String> {
        let base = own.join(format!("faas-{pid}"));
        let controllers = match self.unified {
            true => delegate(own)?,
            false => self.controllers(),
        };
        remove_stale(own);
        let held = loop {
            match fs::create_dir(&base) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(format!("{} can't be made ({error})", base.display()));
                }
                _ => {}
            }
            let held = File::open(&base).ok();
            if let Some(base) = &held {
                let _ = flock(base, FlockOperation::LockShared);
            }
            // Until it was locked, somebody may have taken it for one that was left.
            if base.exists() {
                break held;
            }
        };
        if self.unified && !controllers.is_empty() {
            enable(&base, &controllers).map_err(|error| format!("{}: {error}", base.display()))?;
        }
        Ok(Hierarchy {
            base,
            unified: self.unified,
            controllers,
            held,
        })
    }
}

/// Has a group of version 2 hand its controllers to the groups below it, and says which it does.
///
/// A group that does so may hold no process itself, unless it is the root. So a host that is alone
/// in its group moves to one below.
fn delegate(own: &Path) -> Result<Vec<Controller>, String> {
    let listed = |file: &str| -> Vec<Controller> {
        let text = fs::read_to_string(own.join(file)).unwrap_or_default();
        let has = |c: &Controller| text.split_ascii_whitespace().any(|name| name == c.name());
        Controller::ALL.into_iter().filter(has).collect()
    };
    let (offered, enabled) = (
        listed("cgroup.controllers"),
        listed("cgroup.subtree_control"),
    );
    if offered == enabled {
        return Ok(enabled);
    }
    if enable(own, &offered).is_err() {
        let me = std::process::id().to_string();
        let members = fs::read_to_string(own.join("cgroup.procs")).unwrap_or_default();
        if members.trim() == me {
            let leaf = own.join("faas-host");
            let moved =
                fs::create_dir_all(&leaf).and_then(|()| fs::write(leaf.join("cgroup.procs"), &me));
            if moved.is_ok() {
                let _ = enable(own, &offered);
            }
        }
    }
    Ok(listed("cgroup.subtree_control"))
}

fn enable(dir: &Path, controllers: &[Controller]) -> io::Result<()> {
    let mut text = String::new();
    for controller in controllers {
        let _ = write!(text, "+{} ", controller.name());
    }
    fs::write(dir.join("cgroup.subtree_control"), text.trim_end())
}

/// Removes what hosts have left that were killed: their groups, and whatever still runs in them.
fn remove_stale(own: &Path) {
    for entry in fs::read_dir(own).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name
            .to_str()
            .and_then(|name| name.strip_prefix("faas-")?.parse::<i32>().ok());
        let Some(pid) = pid.and_then(Pid::from_raw) else {
            continue;
        };
        if pid == rustix::process::getpid()
            || rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH)
        {
            continue;
        }
        let base = File::open(entry.path()).ok();
        if base.as_ref().is_some_and(is_held) {
            continue;
        }
        for group in fs::read_dir(entry.path()).into_iter().flatten().flatten() {
            if group.file_type().is_ok_and(|kind| kind.is_dir()) {
                let dir = Dir {
                    unified: group.path().join("cgroup.kill").exists(),
                    path: group.path(),
                    controllers: Vec::new(),
                    open: None,
                };
                let mut made = Made::default();
                made.dirs.push(dir);
                drop(made);
            }
        }
        let _ = fs::remove_dir(entry.path());
    }
}

/// Whether a host other than the caller holds this group for its own. Else the caller does now.
fn is_held(base: &File) -> bool {
    flock(base, FlockOperation::NonBlockingLockExclusive) == Err(rustix::io::Errno::WOULDBLOCK)
}

/// How long what was killed may take to disappear.
const PATIENCE: Duration = Duration::from_secs(2);

impl Group {
    fn made(&self) -> &Made {
        match &self.made {
            Some(made) => made,
            None => unreachable!("taken only when it is dropped"),
        }
    }

    /// The files through which a process joins.
    pub(super) fn doors(&self) -> io::Result<Doors> {
        let made = self.made();
        let mut doors = Doors::count(&made.doors);
        for dir in &made.dirs {
            match &dir.open {
                Some((folder, procs)) => {
                    doors.unified = Some((Arc::clone(folder), Arc::clone(procs)));
                }
                None => {
                    let tasks = dir.path.join("tasks");
                    let tasks = OpenOptions::new().write(true).open(tasks)?;
                    doors.tasks.push(tasks.into());
                }
            }
        }
        Ok(doors)
    }

    /// Has somebody told when memory runs out, where the kernel doesn't do all by itself.
    pub(super) fn watch(&self, watched: Weak<dyn Watched>) -> Option<Watch> {
        self.made().alarm.as_ref().map(|alarm| alarm.watch(watched))
    }

    /// Whether the kernel has killed one of its processes for want of memory.
    pub(super) fn out_of_memory(&self) -> bool {
        self.made().out_of_memory()
    }

    /// SIGKILL to all its processes. True if there were none; false also if that can't be seen now.
    pub(super) fn kill(&self) -> bool {
        self.made().kill()
    }

    /// Kills all its processes and waits until it is empty. False if something withstands.
    pub(super) fn empty(&self, patience: Duration) -> bool {
        self.made().empty(patience)
    }

    /// Remembers its processes, for [`reap`](Self::reap). To be called before any of them is killed.
    pub(super) fn remember(&self) {
        self.made().remember();
    }

    /// Reaps those of its processes that the host has inherited: all, if it is empty and whoever
    /// was started in it is reaped.
    pub(super) fn reap(&self, patience: Duration) {
        self.made().reap(patience);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(made) = self.made.take() else { return };
        lock(&made.killed).clear();
        // The count of kills can't be set back. Where memory ran out in a process that was being
        // killed already, nothing was counted; but the alarm may be on its way still, and would
        // meet the next instance.
        let raised = |made: &Made| made.alarm.as_ref().is_some_and(Alarm::take_raised);
        let usable = made.empty(PATIENCE)
            && !made.out_of_memory()
            && !raised(&made)
            && !made.is_burdened(&self.limits);
        if usable && made.reopen(&self.limits).is_ok() {
            let surplus = put(&mut lock_free(), self.limits, made);
            // To remove it takes longer than others should wait for the list.
            drop(surplus);
        }
    }
}

/// Gives back the oldest of those of which there are too many.
fn put<T>(free: &mut Vec<(Limits, T)>, limits: Limits, made: T) -> Option<T> {
    free.push((limits, made));
    let same = |(of, _): &&(Limits, T)| *of == limits;
    let too_many = match free.iter().filter(same).count() > KEPT {
        true => free.iter().position(|(of, _)| *of == limits),
        false => (free.len() > KEPT_IN_ALL).then_some(0),
    };
    too_many.map(|at| free.remove(at).1)
}

impl Made {
    /// Groups of a name that this host has not used.
    fn named_anew(wanted: &[&Hierarchy]) -> io::Result<Made> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
        let mut made = Made::default();
        for hierarchy in wanted {
            let path = hierarchy.base.join(&name);
            fs::create_dir(&path)?;
            made.dirs.push(Dir {
                path,
                unified: hierarchy.unified,
                controllers: hierarchy.controllers.clone(),
                open: None,
            });
        }
        Ok(made)
    }

    fn limit(&self, limits: &Limits) -> io::Result<()> {
        if let (true, Some(dir)) = (limits.connections, self.dirs.iter().find(|dir| dir.unified)) {
            let programs = Programs::get().map_err(io::Error::other)?;
            programs.attach(File::open(&dir.path)?.as_fd())?;
        }
        for dir in &self.dirs {
            for controller in &dir.controllers {
                match (controller, dir.unified) {
                    (Controller::Memory, _) => dir.limit_memory(limits.memory)?,
                    // Killing may have set it.
                    (Controller::Pids, _) => {
                        let pids = limits.pids.map(|pids| pids.to_string());
                        dir.write("pids.max", pids.as_deref().unwrap_or("max"))?;
                    }
                    (Controller::Cpu, unified) => dir.limit_cpu(limits.millicores, unified)?,
                }
            }
        }
        Ok(())
    }

    /// Whether the kernel has killed one of its processes for want of memory.
    fn out_of_memory(&self) -> bool {
        self.memory_dir().is_some_and(|dir| {
            let file = if dir.unified {
                "memory.events"
            } else {
                "memory.oom_control"
            };
            let text = fs::read_to_string(dir.path.join(file)).unwrap_or_default();
            let kills = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
            kills.is_some_and(|n| n.trim() != "0")
        })
    }

    /// Whether the next processes would lack what those before have left in it: files in memory,
    /// and numbers, as long as whoever inherited them has not reaped them.
    fn is_burdened(&self, limits: &Limits) -> bool {
        let read = |dir: &Dir, file| -> Option<u64> {
            let text = fs::read_to_string(dir.path.join(file)).ok()?;
            text.trim().parse().ok()
        };
        let memory = self.memory_dir().zip(limits.memory);
        let memory = memory.is_some_and(|(dir, limit)| {
            let file = match dir.unified {
                true => "memory.current",
                false => "memory.usage_in_bytes",
            };
            // What the kernel can take back counts too; then another group is made for nothing.
            read(dir, file).is_some_and(|left| left > limit / 8)
        });
        let pids = |dir: &&Dir| dir.controllers.contains(&Controller::Pids);
        let pids = self
            .dirs
            .iter()
            .find(pids)
            .filter(|_| limits.pids.is_some());
        memory || pids.is_some_and(|dir| read(dir, "pids.current") != Some(0))
    }

    /// What is raised when memory runs out. Version 2 needs none: it kills the whole group by itself.
    fn memory_alarm(&self, limits: &Limits) -> io::Result<Option<Alarm>> {
        let dir = self
            .memory_dir()
            .filter(|dir| !dir.unified && limits.memory.is_some());
        let Some(dir) = dir else { return Ok(None) };
        let control = File::open(dir.path.join("memory.oom_control"))?;
        let alarm = Alarm::new()?;
        let text = format!("{} {}", alarm.as_fd().as_raw_fd(), control.as_raw_fd());
        dir.write("cgroup.event_control", &text)?;
        Ok(Some(alarm))
    }

    /// Lets processes be born in it again.
    ///
    /// Not in one of version 2 that was killed: some kernels kill whatever is born in it later by
    /// `CLONE_INTO_CGROUP`, since they take the parent's group for the one whose kills they compare.
    fn reopen(&self, limits: &Limits) -> io::Result<()> {
        match self.closed.swap(false, Ordering::Relaxed) {
            true if self.dirs.iter().any(|dir| dir.unified) => {
                Err(io::ErrorKind::Unsupported.into())
            }
            true => self.limit(limits),
            false => Ok(()),
        }
    }

    fn memory_dir(&self) -> Option<&Dir> {
        self.dirs
            .iter()
            .find(|dir| dir.controllers.contains(&Controller::Memory))
    }

    /// SIGKILL to all its processes. True if there were none; false also if that can't be seen now.
    fn kill(&self) -> bool {
        let Some(dir) = self.dirs.first() else {
            return true;
        };
        // Once empty it stays so until somebody opens a door, and it is looked at several times.
        let seen = self.doors.load(Ordering::SeqCst) + 1;
        if self.vacant.load(Ordering::SeqCst) == seen {
            return true;
        }
        match dir.members() {
            Ok(members) if members.is_empty() => {
                self.vacant.store(seen, Ordering::SeqCst);
                return true;
            }
            Ok(_) => {}
            // Nobody knows then whether there are any.
            Err(_) => return false,
        }
        self.closed.store(true, Ordering::Relaxed);
        if !dir.unified || dir.write("cgroup.kill", "1").is_err() {
            let mut dirs = self.dirs.iter();
            if let Some(pids) = dirs.find(|dir| dir.controllers.contains(&Controller::Pids)) {
                let _ = pids.write("pids.max", "0");
            }
            self.remember();
            dir.kill_members();
        }
        false
    }

    fn remember(&self) {
        if let Some(dir) = self.dirs.first().filter(|dir| !dir.unified)
            && inherits()
        {
            // Whoever has the number of one that is remembered has it since that one was reaped.
            lock(&self.killed).extend(dir.open_members());
        }
    }

    fn reap(&self, patience: Duration) {
        if !inherits() {
            return;
        }
        let deadline = Instant::now() + patience;
        let killed = std::mem::take(&mut *lock(&self.killed));
        reap_orphans(killed.values(), deadline);
        // Each that is reaped may have left others to the host.
        while let Some(dir) = self.dirs.iter().find(|dir| dir.unified)
            && reap_orphans(dir.inherited().iter(), deadline)
        {}
    }

    /// Kills all its processes and waits until it is empty. False if something withstands.
    fn empty(&self, patience: Duration) -> bool {
        let start = Instant::now();
        let mut pause = Duration::from_micros(50);
        while !self.kill() {
            if start.elapsed() > patience {
                return false;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(10));
        }
        true
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        self.empty(PATIENCE);
        for dir in &self.dirs {
            // The kernel may take a moment to see that the last process is gone.
            let start = Instant::now();
            while let Err(error) = fs::remove_dir(&dir.path) {
                let busy = error.raw_os_error() == Some(libc::EBUSY);
                if !busy || start.elapsed() > PATIENCE {
                    break;
                }
                std::thread::sleep(Duration::from_micros(100));
            }
        }
    }
}

impl Dir {
    fn open(&mut self) -> io::Result<()> {
        if self.unified {
            let procs = self.path.join("cgroup.procs");
            let procs = OpenOptions::new().read(true).write(true).open(procs)?;
            let folder = File::open(&self.path)?;
            self.open = Some((Arc::new(folder.into()), Arc::new(procs.into())));
        }
        Ok(())
    }

    fn write(&self, file: &str, text: &str) -> io::Result<()> {
        let path = self.path.join(file);
        // Without O_CREAT or O_TRUNC, which control files don't like.
        let mut file = OpenOptions::new().write(true).open(&path)?;
        io::Write::write_all(&mut file, text.as_bytes())
    }

    fn limit_memory(&self, limit: Option<u64>) -> io::Result<()> {
        let Some(limit) = limit.map(|limit| limit.to_string()) else {
            return Ok(());
        };
        if self.unified {
            self.write("memory.max", &limit)?;
            self.write("memory.oom.group", "1")?;
            return self.optional("memory.swap.max", "0");
        }
        self.write("memory.limit_in_bytes", &limit)?;
        self.optional("memory.memsw.limit_in_bytes", &limit)
    }

    fn limit_cpu(&self, millicores: Option<u64>, unified: bool) -> io::Result<()> {
        // Short enough that no call notices the pauses, long enough for the kernel.
        const PERIOD: u64 = 20_000;
        const LEAST: u64 = 1_000;
        let Some(millicores) = millicores else {
            return Ok(());
        };
        let quota = (millicores.saturating_mul(PERIOD) / 1000).max(LEAST);
        if unified {
            return self.write("cpu.max", &format!("{quota} {PERIOD}"));
        }
        self.write("cpu.cfs_period_us", &PERIOD.to_string())?;
        self.write("cpu.cfs_quota_us", &quota.to_string())
    }

    /// Where the machine has no swap, there is no file to bound it.
    fn optional(&self, file: &str, text: &str) -> io::Result<()> {
        match self.path.join(file).exists() {
            true => self.write(file, text),
            false => Ok(()),
        }
    }

    fn members(&self) -> io::Result<Vec<Pid>> {
        // Most often nothing is in it, and then this is all.
        if let Some((_, procs)) = &self.open
            && rustix::io::pread(procs, &mut [0], 0) == Ok(0)
        {
            return Ok(Vec::new());
        }
        let text = match fs::read_to_string(self.path.join("cgroup.procs")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read?,
        };
        let pids = text
            .lines()
            .filter_map(|line| Pid::from_raw(line.parse().ok()?));
        Ok(pids.collect())
    }

    fn kill_members(&self) {
        for (_, pidfd) in self.open_members() {
            let _ = pidfd_send_signal(pidfd, Signal::KILL);
        }
    }

    fn open_members(&self) -> Vec<(Pid, OwnedFd)> {
        let open = |pid: Pid| Some((pid, pidfd_open(pid, PidfdFlags::empty()).ok()?));
        let members = self.members().into_iter().flatten();
        let mut opened: Vec<_> = members.filter_map(open).collect();
        // Who is still listed now is who was opened; a number that was given to somebody else in
        // between is not.
        let still = self.members().unwrap_or_default();
        opened.retain(|(pid, _)| still.contains(pid));
        opened
    }

    /// The children of the host that were or are in it, the dead too. Of version 2 only: in version
    /// 1 the dead are nowhere.
    fn inherited(&self) -> Vec<OwnedFd> {
        let mut names = self.path.iter().rev();
        let (name, base) = (names.next(), names.next());
        let is_here = |listed: &str| {
            let mut names = Path::new(listed).iter().rev();
            (names.next(), names.next()) == (name, base)
        };
        let open = |pid: Pid| {
            let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
            let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
            let listed = text.lines().find_map(|line| line.strip_prefix("0::"))?;
            is_here(listed).then_some(pidfd)
        };
        // The list is not whole while somebody takes from it.
        let _alone = lock(&REAPING);
        sweep::children().into_iter().filter_map(open).collect()
    }
}

static REAPING: Mutex<()> = Mutex::new(());

/// Whether processes whose parents are gone are handed to the host.
fn inherits() -> bool {
    getpid().is_init() || rustix::process::child_subreaper().is_ok_and(|reaper| reaper.is_some())
}

/// Waits until all are dead, who then have no children any more, and reaps those that were handed to
/// the host. Whether there were any.
fn reap_orphans<'a>(pidfds: impl Iterator<Item = &'a OwnedFd> + Clone, deadline: Instant) -> bool {
    for pidfd in pidfds.clone() {
        let left = deadline.saturating_duration_since(Instant::now());
        wait_readable(pidfd.as_fd(), left);
    }
    let _alone = lock(&REAPING);
    pidfds.filter(|pidfd| reap_orphan(pidfd)).count() > 0
}

/// Reaps a process that was handed to the host, if it was and has ended.
pub(super) fn reap_orphan(pidfd: &OwnedFd) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    waitid(WaitId::PidFd(pidfd.as_fd()), options).is_ok_and(|ended| ended.is_some())
}

#[cfg(test)]
mod tests {
    use rustix::process::{WaitOptions, waitpid};

    use super::super::super::tmpdir::TempDir;
    use super::super::spawn::{Plan, Strings, spawn};
    use super::*;

    #[test]
    fn some_wait_for_each_limits_and_the_oldest_goes() {
        let limits = |pids| Limits {
            pids: Some(pids),
            ..Limits::default()
        };
        let mut free = Vec::new();
        for n in 0..KEPT {
            assert_eq!(put(&mut free, limits(1), n), None);
        }
        // Others have their own places.
        assert_eq!(put(&mut free, limits(2), 1000), None);
        assert_eq!(put(&mut free, limits(1), KEPT), Some(0));
        let mut pids = 3;
        while free.len() < KEPT_IN_ALL {
            assert_eq!(put(&mut free, limits(pids), 2000), None);
            pids += 1;
        }
        assert_eq!(put(&mut free, limits(pids), 3000), Some(1));
        assert_eq!(free.len(), KEPT_IN_ALL);
    }

    const CGROUP1: &str = "36 25 0:31 / {}/memory rw - cgroup cgroup rw,memory\n37 25 0:32 /docker/a {}/pids rw - cgroup cgroup rw,pids\n";

    #[test]
    fn own_groups_are_found_in_version_1() {
        let dir = TempDir::new().unwrap();
        let at = dir.path().to_str().unwrap();
        fs::create_dir_all(dir.path().join("memory/x")).unwrap();
        fs::create_dir_all(dir.path().join("pids/b")).unwrap();
        let own = "8:pids:/docker/a/b\n4:memory:/x\n0::/\n";
        let found = Hierarchies::find(&CGROUP1.replace("{}", at), own, 7);
        assert!(dir.path().join("memory/x/faas-7").is_dir());
        assert!(dir.path().join("pids/b/faas-7").is_dir());
        assert_eq!(found.has(Controller::Memory), Some("cgroup v1"));
        assert_eq!(found.has(Controller::Cpu), None);
    }

    #[test]
    fn own_group_is_found_in_version_2_with_what_it_hands_down() {
        let dir = TempDir::new().unwrap();
        let own = dir.path().join("user");
        fs::create_dir(&own).unwrap();
        fs::write(own.join("cgroup.controllers"), "cpu io memory pids\n").unwrap();
        fs::write(own.join("cgroup.subtree_control"), "memory pids\n").unwrap();
        fs::write(own.join("cgroup.procs"), "1\n2\n").unwrap();
        let mounts = format!(
            "30 25 0:26 / {} rw - cgroup2 cgroup2 rw\n",
            dir.path().display()
        );
        let found = Hierarchies::find(&mounts, "0::/user\n", 7);
        // The file is a plain one here, so what is enabled is what was written last.
        assert_eq!(
            fs::read_to_string(own.join("cgroup.subtree_control")).unwrap(),
            "+memory +pids +cpu"
        );
        assert!(own.join("faas-7").is_dir());
        assert!(found.has(Controller::Memory).is_none());
    }

    #[test]
    fn groups_are_removed_once_nobody_holds_them() {
        let dir = TempDir::new().unwrap();
        let at = dir.path().to_str().unwrap();
        // Numbers that no process has; the one may be somebody's in another PID namespace.
        let [held, left] = [2_000_000_001, 2_000_000_002].map(|pid| {
            let own = "4:memory:/\n";
            fs::create_dir_all(dir.path().join("memory")).unwrap();
            let hierarchies = Hierarchies::find(&CGROUP1.replace("{}", at), own, pid);
            fs::create_dir(hierarchies.found[0].base.join("0")).unwrap();
            hierarchies
        });
        let [held_base, left_base] = [&held, &left].map(|h| h.found[0].base.clone());
        // A process that is being started by another test has all that is open until it executes.
        let removed = |base: &Path| {
            let start = Instant::now();
            while base.exists() {
                assert!(start.elapsed() < Duration::from_secs(60));
                Hierarchies::find(&CGROUP1.replace("{}", at), "4:memory:/\n", 7);
            }
        };
        drop(left);
        removed(&left_base);
        assert!(held_base.join("0").is_dir());
        drop(held);
        removed(&held_base);
    }

    #[test]
    fn groups_that_somebody_left_under_our_name_are_none_of_ours() {
        let dir = TempDir::new().unwrap();
        let hierarchy = Hierarchy {
            base: dir.path().to_owned(),
            unified: false,
            controllers: Vec::new(),
            held: None,
        };
        let hierarchies = Hierarchies {
            found: vec![hierarchy],
            complaints: Vec::new(),
        };
        // Nobody else's.
        let limits = Limits {
            millicores: Some(123_456),
            ..Limits::default()
        };
        let first = hierarchies.group(&limits).unwrap().unwrap();
        let name = first.made().dirs[0].path.file_name().unwrap();
        let number: u64 = name.to_str().unwrap().parse().unwrap();
        // Other tests take numbers, too.
        for next in number + 1..number + 500 {
            fs::create_dir(dir.path().join(next.to_string())).unwrap();
        }
        let second = hierarchies.group(&limits).unwrap().unwrap();
        let name = second.made().dirs[0].path.file_name().unwrap();
        assert!(name.to_str().unwrap().parse::<u64>().unwrap() >= number + 500);
    }

    /// Those of version 1 that bound processes and nothing else.
    fn of_processes() -> Option<Hierarchies> {
        let alone = only(|h| !h.unified && h.controllers == [Controller::Pids]);
        if alone.is_none() {
            eprintln!("skipped: no control group of version 1 bounds processes alone here");
        }
        alone
    }

    /// Those of version 2.
    fn of_version_2() -> Option<Hierarchies> {
        let alone = only(|h| h.unified);
        if alone.is_none() {
            eprintln!("skipped: no control group of version 2 can be made here");
        }
        alone
    }

    fn only(which: impl Fn(&Hierarchy) -> bool) -> Option<Hierarchies> {
        let found = Hierarchies::get().found.iter().find(|h| which(h))?;
        let hierarchy = Hierarchy {
            base: found.base.clone(),
            unified: found.unified,
            controllers: found.controllers.clone(),
            held: None,
        };
        Some(Hierarchies {
            found: vec![hierarchy],
            complaints: Vec::new(),
        })
    }

    fn start_in(group: &Group) -> Pid {
        start_shell_in(group, "exec sleep 600")
    }

    fn start_shell_in(group: &Group, script: &str) -> Pid {
        let plan = Plan {
            programs: vec![c"/bin/sh".to_owned()],
            argv: Strings::new([["sh"], ["-c"], [script]].into_iter()).unwrap(),
            envp: Strings::new([["PATH=/usr/bin:/bin"]].into_iter()).unwrap(),
            groups: group.doors().unwrap(),
            ..Plan::default()
        };
        spawn(&plan).unwrap().0
    }

    fn reap(pid: Pid) {
        waitpid(Some(pid), WaitOptions::empty()).unwrap();
    }

    #[test]
    fn a_group_that_counts_one_who_was_not_reaped_is_not_used_again() {
        let Some(hierarchies) = of_processes() else {
            return;
        };
        // Nobody else's.
        let limits = Limits {
            pids: Some(123_456),
            ..Limits::default()
        };
        let first = hierarchies.group(&limits).unwrap().unwrap();
        let dead = start_in(&first);
        assert!(first.empty(Duration::from_secs(10)));
        drop(first);
        let next = hierarchies.group(&limits).unwrap().unwrap();
        let count = fs::read_to_string(next.made().dirs[0].path.join("pids.current"));
        assert_eq!(count.unwrap().trim(), "0");
        reap(dead);
    }

    #[test]
    fn a_group_without_a_limit_of_processes_has_none_when_it_is_used_again() {
        let Some(hierarchies) = of_processes() else {
            return;
        };
        // Nobody else's.
        let limits = Limits {
            millicores: Some(123_457),
            ..Limits::default()
        };
        let first = hierarchies.group(&limits).unwrap().unwrap();
        let path = first.made().dirs[0].path.clone();
        let most = || fs::read_to_string(path.join("pids.max")).unwrap();
        assert_eq!(most().trim(), "max");
        let pid = start_in(&first);
        assert!(!first.kill());
        reap(pid);
        drop(first);
        let again = hierarchies.group(&limits).unwrap().unwrap();
        assert_eq!(again.made().dirs[0].path, path);
        assert_eq!(most().trim(), "max");
    }

    #[test]
    fn a_group_of_version_2_is_used_again_unless_somebody_was_killed_in_it() {
        let Some(hierarchies) = of_version_2() else {
            return;
        };
        // Nobody else's.
        let limits = Limits {
            pids: Some(123_459),
            ..Limits::default()
        };
        let make = || hierarchies.group(&limits).unwrap().unwrap();
        let first = make();
        let path = first.made().dirs[0].path.clone();
        reap(start_shell_in(&first, "true"));
        drop(first);
        let again = make();
        assert_eq!(again.made().dirs[0].path, path);
        let pid = start_in(&again);
        assert!(!again.kill());
        reap(pid);
        drop(again);
        assert!(!path.exists());
        assert_ne!(make().made().dirs[0].path, path);
    }

    #[test]
    fn a_group_whose_alarm_was_raised_is_not_used_again() {
        // Nobody else's.
        let limits = Limits {
            memory: Some(123 << 20),
            ..Limits::default()
        };
        let make = || Hierarchies::get().group(&limits).ok().flatten();
        let path = |group: &Group| group.made().dirs[0].path.clone();
        let Some(first) = make().filter(|group| group.made().alarm.is_some()) else {
            eprintln!("skipped: no control group of version 1 bounds memory here");
            return;
        };
        let used = path(&first);
        drop(first);
        let again = make().unwrap();
        assert_eq!(path(&again), used);
        let alarm = again.made().alarm.as_ref().unwrap();
        rustix::io::write(alarm, &1u64.to_ne_bytes()).unwrap();
        drop(again);
        assert!(!used.exists());
        assert_ne!(path(&make().unwrap()), used);
    }

    /// In a process of its own, which inherits whoever has lost his parent.
    #[test]
    fn whoever_was_handed_to_the_host_is_reaped_with_his_group_alone() {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command
            .args(["cgroup::tests::inheriting", "--ignored", "--nocapture"])
            .env("FAAS_TEST_INHERITING", "1");
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        eprint!("{errors}");
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{text}{errors}"
        );
    }

    #[test]
    #[ignore = "run by the test above, in a process of its own"]
    fn inheriting() {
        if std::env::var("FAAS_TEST_INHERITING").is_err() {
            return;
        }
        rustix::process::set_child_subreaper(Some(getpid())).unwrap();
        const LONG: Duration = Duration::from_secs(60);
        let alive = "sleep 600 & sleep 600 & true";
        // In version 1 nothing tells whose these were.
        let dead = "(true &); (true &); true";
        for (hierarchies, scripts, pids) in [
            (of_processes(), &[alive][..], 123_457),
            (of_version_2(), &[alive, dead], 123_458),
        ] {
            let Some(hierarchies) = hierarchies else {
                continue;
            };
            // Nobody else's.
            let limits = Limits {
                pids: Some(pids),
                ..Limits::default()
            };
            for script in scripts {
                let make = || hierarchies.group(&limits).unwrap().unwrap();
                let (one, other) = (make(), make());
                for group in [&one, &other] {
                    reap(start_shell_in(group, script));
                }
                assert!(one.empty(LONG) && other.empty(LONG));
                let before = sweep::children().len();
                one.reap(LONG);
                let between = sweep::children().len();
                other.reap(LONG);
                assert_eq!(sweep::children(), []);
                assert_eq!((before, between), (4, 2), "{script}");
            }
        }
    }
}
