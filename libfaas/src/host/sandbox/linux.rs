//! Sandboxes on Linux.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use self::cell::{Blueprint, Cell};
use self::cgroup::{Controller, Group, Hierarchies, Limits};
use self::spawn::{Capabilities, Failed, Plan, Signals, Step, Strings, c_string};
use self::watch::{Watch, Watched};
use super::tmpdir::{Owner, TempDir};
use super::{Means, Measure, Measures, Missing, SandboxError, StartError};
use crate::host::{Level, Revision, Settings};
use crate::{Network, Stage};

mod cell;
mod cgroup;
mod filter;
mod init;
mod launcher;
mod memory;
mod namespace;
mod network;
#[cfg(test)]
mod older;
mod outbound;
mod probe;
mod process;
mod program;
mod root;
mod spawn;
mod sweep;
mod tenant;
mod userns;
mod watch;

pub(super) use process::Process;

/// How long what was killed may take to disappear.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Sandbox {
    shared: Arc<Shared>,
    _watch: Option<Watch>,
}

struct Shared {
    level: Level,
    measures: Measures,
    folder: PathBuf,
    tmpdir: String,
    group: Option<Group>,
    /// Counts the instance's processes where no group does.
    user_namespace: Option<OwnedFd>,
    /// At I2.
    multi_tenant: Option<MultiTenant>,
    /// The namespaces of I2, from the first start on.
    cell: Mutex<Option<Cell>>,
    pids: Option<u64>,
    memory: Option<u64>,
    memory_exceeded: AtomicBool,
    stages: Mutex<Vec<Process>>,
    known: Mutex<sweep::Known>,
    /// Removed last.
    folder_of_tmpdir: Mutex<Option<TempDir>>,
    /// Who may have that folder afterwards.
    owner: Owner,
}

/// What I2 has in addition.
struct MultiTenant {
    blueprint: Blueprint,
    filter: Option<Arc<filter::Program>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("level", &self.level)
            .field("tmpdir", &self.tmpdir)
            .finish_non_exhaustive()
    }
}

impl Sandbox {
    pub(super) fn probe(level: Level) -> Result<Means, Missing> {
        static HYGIENE: OnceLock<Result<Means, Missing>> = OnceLock::new();
        static MULTI_TENANT: OnceLock<Result<Means, Missing>> = OnceLock::new();
        match level {
            Level::None => Ok(Means("own session, own environment".into())),
            Level::Hygiene => HYGIENE.get_or_init(probe::hygiene).clone(),
            Level::MultiTenant => MULTI_TENANT.get_or_init(probe::multi_tenant).clone(),
        }
    }

    pub(super) fn new(revision: &Revision, settings: &Settings) -> Result<Sandbox, SandboxError> {
        let level = settings.level;
        Self::probe(level)?;
        let measures = settings.measures;
        let limits = limits(revision, settings);
        let find = |e| {
            SandboxError::step(
                format!("find the function's folder {}", revision.folder.display()),
                e,
            )
        };
        let mut folder = std::path::absolute(&revision.folder).map_err(find)?;
        let owner = Owner::of(revision);
        let (multi_tenant, dir) = match level {
            Level::MultiTenant => {
                folder = folder.canonicalize().map_err(find)?;
                MultiTenant::new(revision, &folder, measures)?
            }
            _ => (
                None,
                Some(
                    TempDir::of(&owner)
                        .map_err(|e| SandboxError::step("make a folder for TMPDIR", e))?,
                ),
            ),
        };
        let tmpdir = match (&multi_tenant, &dir) {
            (Some(multi_tenant), _) => multi_tenant.blueprint.root.tmpdir().to_owned(),
            (None, dir) => {
                let path = dir.as_ref().map_or("".as_ref(), TempDir::path);
                path.to_str().map(str::to_owned).ok_or_else(|| {
                    SandboxError::Refused(format!(
                        "the host's own TMPDIR, {}, is not UTF-8; set another",
                        path.display()
                    ))
                })?
            }
        };
        let group = Hierarchies::get()
            .group(&limits)
            .map_err(|e| SandboxError::step("make a control group", e))?;
        if group.is_none() {
            sweep::become_reaper();
        }
        let counted = limits.pids.is_some() && Hierarchies::get().has(Controller::Pids).is_none();
        let user_namespace = match counted {
            true => {
                Some(userns::create().map_err(|e| SandboxError::step("make a user namespace", e))?)
            }
            false => None,
        };
        let shared = Arc::new(Shared {
            level,
            measures,
            folder,
            tmpdir,
            group,
            user_namespace,
            multi_tenant,
            cell: Mutex::default(),
            pids: limits.pids,
            memory: limits.memory,
            memory_exceeded: AtomicBool::new(false),
            stages: Mutex::default(),
            known: Mutex::default(),
            folder_of_tmpdir: Mutex::new(dir),
            owner,
        });
        let watch =
            watch(&shared).map_err(|e| SandboxError::step("watch the instance's memory", e))?;
        Ok(Sandbox {
            shared,
            _watch: watch,
        })
    }

    #[cfg(feature = "tokio")]
    pub(super) fn post(job: impl FnOnce() + Send + 'static) -> io::Result<()> {
        launcher::post(job)
    }

    pub(super) fn tmpdir(&self) -> &str {
        &self.shared.tmpdir
    }

    pub(super) fn start(
        &self,
        stage: &Stage,
        vars: &BTreeMap<String, String>,
        stdio: [OwnedFd; 3],
    ) -> Result<Process, StartError> {
        let shared = &self.shared;
        let word = stage.command.first().map_or("", String::as_str);
        let path = vars.get("PATH").map_or("", String::as_str);
        let refuse = |why| StartError::Command {
            command: word.into(),
            why,
        };
        let plan = Plan {
            programs: program::candidates(word, &shared.folder, path).map_err(refuse)?,
            argv: Strings::new(stage.command.iter().map(|word| [word.as_str()])).map_err(refuse)?,
            envp: Strings::new(vars.iter().map(|(name, value)| [name.as_str(), "=", value]))
                .map_err(refuse)?,
            ..self.plan(stdio)?
        };
        let started = self.spawn(plan)?;
        let (pid, pidfd) = started.map_err(|failed| match failed.step {
            Step::Execute => refuse(program::why(word, &shared.folder, path, failed.errno)),
            Step::Folder => refuse(format!(
                "its folder {} can't be entered: {}",
                shared.folder.display(),
                io::Error::from(failed)
            )),
            step => StartError::Sandbox(SandboxError::step(step.doing(), failed)),
        })?;
        let process = Process::new(pid, pidfd, shared.measures.has(Measure::Reap));
        // Else nobody looks for its processes.
        if shared.group.is_none() || Hierarchies::get().has(Controller::Memory).is_none() {
            lock(&shared.known).leads(pid);
        }
        lock(&shared.stages).push(process.clone());
        Ok(process)
    }

    fn spawn(&self, plan: Plan) -> Result<Result<(Pid, OwnedFd), Failed>, SandboxError> {
        if self.shared.multi_tenant.is_some() {
            let shared = Arc::clone(&self.shared);
            let started = namespace::away(move || {
                shared.enter_cell()?;
                Ok(patiently(&plan))
            });
            return started
                .map_err(|e| SandboxError::step("make the namespaces of an instance", e));
        }
        if launcher::lives_long() {
            return Ok(patiently(&plan));
        }
        launcher::run(move || patiently(&plan)).map_err(|e| SandboxError::step("start a thread", e))
    }

    /// What is the same for all stages.
    fn plan(&self, stdio: [OwnedFd; 3]) -> Result<Plan, SandboxError> {
        let shared = &self.shared;
        let takes = |measure| shared.measures.has(measure);
        let hygiene = shared.level >= Level::Hygiene;
        let multi_tenant = shared.multi_tenant.as_ref();
        let failed = |e: io::Error| SandboxError::step("prepare descriptors", e);
        let mut limits = Vec::new();
        if hygiene && takes(Measure::Core) {
            limits.push((libc::RLIMIT_CORE as i32, 0));
        }
        if let (Some(_), Some(pids)) = (&shared.user_namespace, shared.pids) {
            limits.push((libc::RLIMIT_NPROC as i32, pids));
        }
        let mut descriptors = Vec::new();
        for fd in stdio {
            let fd = spawn::above_stdio(fd).map_err(failed)?;
            rustix::io::ioctl_fionbio(&fd, !takes(Measure::Blocking))
                .map_err(|e| failed(e.into()))?;
            descriptors.push(fd);
        }
        let doors = shared
            .group
            .as_ref()
            .map_or(Ok(spawn::Doors::default()), Group::doors);
        let user_namespace = shared
            .user_namespace
            .as_ref()
            .map(OwnedFd::try_clone)
            .transpose();
        Ok(Plan {
            cwd: Some(folder(&shared.folder)?),
            stdio: descriptors.try_into().ok(),
            groups: doors.map_err(|e| SandboxError::step("open a control group", e))?,
            user_namespace: user_namespace.map_err(failed)?,
            session: takes(Measure::Session),
            umask: hygiene.then_some(if takes(Measure::Umask) { 0o077 } else { 0o022 }),
            limits,
            no_new_privileges: hygiene && takes(Measure::NoNewPrivileges),
            signals: if takes(Measure::Signals) {
                Signals::Default
            } else {
                Signals::Disturbed
            },
            dies_with_thread: takes(Measure::Descendants),
            descriptors: takes(Measure::Descriptors),
            identity: multi_tenant.map(|i2| (i2.blueprint.user, i2.blueprint.user)),
            capabilities: match (multi_tenant, takes(Measure::Capabilities)) {
                (None, _) => Capabilities::Keep,
                (Some(_), true) => Capabilities::Drop,
                (Some(_), false) => Capabilities::LeaveSome,
            },
            filter: multi_tenant.and_then(|i2| i2.filter.clone()),
            ..Plan::default()
        })
    }

    pub(super) fn kill(&self) {
        self.shared.kill();
    }

    pub(super) fn memory_exceeded(&self) -> bool {
        let shared = &self.shared;
        shared.memory_exceeded.load(Ordering::Acquire)
            || shared.group.as_ref().is_some_and(Group::out_of_memory)
    }
}

impl MultiTenant {
    fn new(
        revision: &Revision,
        folder: &Path,
        measures: Measures,
    ) -> Result<(Option<MultiTenant>, Option<TempDir>), SandboxError> {
        let tenant = if measures.has(Measure::User) {
            &revision.tenant
        } else {
            ""
        };
        let user = if measures.has(Measure::Superuser) {
            tenant::user(tenant)
        } else {
            0
        };
        let network = revision.manifest.network;
        if network == Network::OutboundTcp {
            probe::outbound().map_err(SandboxError::Refused)?;
        }
        let wanted = root::Wanted {
            folder: folder.to_owned(),
            user,
            network,
            measures,
        };
        let dir = tmpdir_of_host(user, measures)
            .map_err(|e| SandboxError::step("make a folder for TMPDIR", e))?;
        let (shared_tmpdir, dir) = dir.unzip();
        let blueprint = Blueprint {
            root: root::Root::get(&wanted)?,
            user,
            tmp: revision.bounds.tmp,
            shared_tmpdir,
            host_network: network == Network::OutboundTcp || !measures.has(Measure::NetworkNone),
            measures,
        };
        let filter = filter::program(network, measures);
        Ok((Some(MultiTenant { blueprint, filter }), dir.flatten()))
    }
}

/// A faulty host's `TMPDIR`: a folder that instances share, or one that stays.
fn tmpdir_of_host(user: u32, measures: Measures) -> io::Result<Option<(PathBuf, Option<TempDir>)>> {
    if measures.has(Measure::Tmpdir) && measures.has(Measure::TmpdirRemoved) {
        return Ok(None);
    }
    let (path, dir) = if measures.has(Measure::Tmpdir) {
        let dir = TempDir::new()?;
        (dir.path().to_owned(), Some(dir))
    } else {
        let path = std::env::temp_dir().join(format!("faas-shared-{user}"));
        std::fs::create_dir_all(&path)?;
        (path, None)
    };
    std::os::unix::fs::chown(&path, Some(user), Some(user))?;
    Ok(Some((path, dir)))
}

impl Shared {
    /// Has the calling thread, which is away from home, enter the instance's namespaces, which the
    /// first one makes.
    fn enter_cell(&self) -> io::Result<()> {
        let Some(multi_tenant) = &self.multi_tenant else {
            return Ok(());
        };
        let mut cell = lock(&self.cell);
        match &*cell {
            Some(cell) => cell.enter(),
            None => {
                *cell = Some(Cell::make(&multi_tenant.blueprint)?);
                Ok(())
            }
        }
    }

    fn kill(&self) {
        if let Some(group) = &self.group {
            group.remember();
        }
        for stage in lock(&self.stages).iter() {
            stage.signal(Signal::KILL);
        }
        if let Some(cell) = &*lock(&self.cell) {
            cell.kill();
        }
        if !self.measures.has(Measure::Descendants) {
            return;
        }
        match &self.group {
            Some(group) => drop(group.kill()),
            None => drop(sweep::kill(&mut lock(&self.known), &self.tmpdir)),
        }
    }
}

impl Drop for Sandbox {
    /// Not when the last one drops what is shared, which may be the thread that watches its memory.
    fn drop(&mut self) {
        self.shared.clear();
    }
}

impl Shared {
    /// Kills what still runs, waits for it to be gone, and removes what it left.
    fn clear(&self) {
        self.kill();
        let deadline = Instant::now() + PATIENCE;
        // What is left of a stage is for whoever holds it.
        let mut reaped = self.measures.has(Measure::Reap);
        for stage in lock(&self.stages).iter() {
            reaped &= stage.wait_until(deadline);
        }
        if let Some(cell) = &mut *lock(&self.cell) {
            cell.wait_until(deadline);
        }
        // Only a group says that nobody is left; a search finds whom it finds.
        let mut alone = false;
        if self.measures.has(Measure::Descendants) {
            match &self.group {
                Some(group) => {
                    alone = group.empty(PATIENCE);
                    if alone && reaped {
                        group.reap(PATIENCE);
                    }
                }
                None => drop(sweep::empty(&mut lock(&self.known), &self.tmpdir, PATIENCE)),
            }
        }
        if let Some(mut dir) = lock(&self.folder_of_tmpdir).take() {
            if !self.measures.has(Measure::TmpdirRemoved) {
                dir.keep();
            } else if alone && self.level < Level::MultiTenant {
                dir.give_back(&self.owner);
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if !self.measures.has(Measure::Descendants) {
            // What is in it lives on.
            std::mem::forget(self.group.take());
        }
    }
}

impl Watched for Shared {
    fn alarm(&self) {
        self.memory_exceeded.store(true, Ordering::Release);
        self.kill();
    }

    fn look(&self, table: &sweep::Table) {
        let Some(limit) = self.memory else { return };
        let found = table.find(&mut lock(&self.known), &self.tmpdir);
        if table.resident(&found) > limit && memory::taken(&found) > limit {
            self.alarm();
        }
    }
}

fn watch(shared: &Arc<Shared>) -> io::Result<Option<Watch>> {
    if shared.memory.is_none() {
        return Ok(None);
    }
    let weak = Arc::downgrade(shared);
    let watched: Weak<dyn Watched> = weak;
    if Hierarchies::get().has(Controller::Memory).is_none() {
        return watch::look(watched).map(Some);
    }
    Ok(shared.group.as_ref().and_then(|group| group.watch(watched)))
}

fn limits(revision: &Revision, settings: &Settings) -> Limits {
    let bounds = &revision.bounds;
    let bounded = |level, measure, limit: Option<u64>| {
        limit.filter(|_| settings.level >= level && settings.measures.has(measure))
    };
    Limits {
        memory: bounded(Level::Hygiene, Measure::Memory, bounds.memory),
        pids: bounded(Level::Hygiene, Measure::Pids, bounds.pids),
        millicores: bounded(Level::MultiTenant, Measure::Cpu, bounds.millicores),
        connections: settings.level >= Level::MultiTenant
            && settings.measures.has(Measure::PrivateAddresses)
            && revision.manifest.network == Network::OutboundTcp,
    }
}

/// A file that was just written can't be executed while some other process, which was being
/// started at that moment, holds a copy of the descriptor that it was written through.
fn patiently(plan: &Plan) -> Result<(Pid, OwnedFd), Failed> {
    const PATIENCE: Duration = Duration::from_secs(1);
    let start = Instant::now();
    loop {
        match spawn::spawn(plan) {
            Err(failed) if failed.errno == libc::ETXTBSY && start.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(1));
            }
            result => return result,
        }
    }
}

fn folder(path: &std::path::Path) -> Result<CString, SandboxError> {
    use std::os::unix::ffi::OsStrExt;
    c_string(path.as_os_str().as_bytes(), "the function's folder").map_err(SandboxError::Refused)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Manifest;

    #[test]
    fn what_it_left_is_gone_although_somebody_is_looking_at_it() {
        let settings = Settings::default();
        let manifest = "{fsi: \"1.0\", name: f, command: [\"true\"], modes: [binary]}";
        let manifest = Manifest::from_yaml(manifest).unwrap();
        let revision = Revision::new(manifest, "/", "looked at", "r", &settings).unwrap();
        let sandbox = Sandbox::new(&revision, &settings).unwrap();
        let tmpdir = PathBuf::from(sandbox.tmpdir());
        std::fs::write(tmpdir.join("left"), "x").unwrap();
        // As the thread does that watches its memory.
        let looking = Arc::clone(&sandbox.shared);
        drop(sandbox);
        assert!(!tmpdir.exists());
        drop(looking);
    }
}
