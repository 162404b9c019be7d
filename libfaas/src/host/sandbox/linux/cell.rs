//! The namespaces of one instance at I2.

use std::ffi::CString;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use rustix::mount::{MountFlags, mount};

use super::super::{Measure, Measures};
use super::network::Network;
use super::process::Process;
use super::root::Root;
use super::spawn::{Capabilities, Plan, Signals, Strings};
use super::{init, namespace, patiently};

/// What the namespaces of an instance are made from.
#[derive(Clone, Debug)]
pub(super) struct Blueprint {
    pub(super) root: Arc<Root>,
    pub(super) user: u32,
    /// Bytes of `TMPDIR`.
    pub(super) tmp: Option<u64>,
    /// A folder of the host's to use for `TMPDIR`, which no right host does.
    pub(super) shared_tmpdir: Option<std::path::PathBuf>,
    /// Whether it stays in the host's network.
    pub(super) host_network: bool,
    pub(super) measures: Measures,
}

/// Namespaces, held by their first process.
#[derive(Debug)]
pub(super) struct Cell {
    init: Process,
    network: Option<Network>,
}

impl Cell {
    /// Makes it and leaves the calling thread, which is away from home, in it.
    pub(super) fn make(blueprint: &Blueprint) -> io::Result<Cell> {
        let takes = |measure| blueprint.measures.has(measure);
        let network = match blueprint.host_network {
            true => None,
            false => Some(Network::enter(blueprint.user)?),
        };
        // The folder of the host's, as long as it can be seen.
        let shared = blueprint
            .shared_tmpdir
            .as_deref()
            .map(super::root::clone_tree)
            .transpose()?;
        let host_proc = (!takes(Measure::Proc))
            .then(|| super::root::clone_tree("/proc".as_ref()))
            .transpose()?;
        blueprint.root.enter()?;
        let mut kinds = namespace::PRIVATE;
        if !takes(Measure::Signal) {
            kinds &= !libc::CLONE_NEWPID;
        }
        if !takes(Measure::Ipc) {
            kinds &= !libc::CLONE_NEWIPC;
        }
        namespace::unshare(kinds)?;
        rustix::system::sethostname(b"function")?;
        let user = blueprint.user;
        let tmpdir = blueprint.root.tmpdir();
        match shared {
            Some(tree) => super::root::attach(tree.as_fd(), tmpdir.as_ref())?,
            None => {
                let mut options = format!("mode=0700,uid={user},gid={user}");
                if let Some(tmp) = blueprint.tmp {
                    // Empty files take memory too, but not of what is counted.
                    const BYTES_PER_FILE: u64 = 1024;
                    const FEWEST: u64 = 64;
                    options += &format!(
                        ",size={tmp},nr_inodes={}",
                        (tmp / BYTES_PER_FILE).max(FEWEST)
                    );
                }
                let options = CString::new(options)?;
                mount(
                    "tmpdir",
                    tmpdir,
                    "tmpfs",
                    MountFlags::NOSUID | MountFlags::NODEV,
                    &*options,
                )?;
            }
        }
        if let Some(tree) = &host_proc {
            super::root::attach(tree.as_fd(), "/proc".as_ref())?;
        }
        let init = Self::init(user, host_proc.is_none())?;
        Ok(Cell { init, network })
    }

    fn init(user: u32, mounts_proc: bool) -> io::Result<Process> {
        let plan = Plan {
            image: Some(init::image()?),
            argv: Strings::new([["faas-init"]].into_iter()).map_err(io::Error::other)?,
            cwd: Some(c"/".to_owned()),
            identity: Some((user, user)),
            capabilities: Capabilities::Drop,
            no_new_privileges: true,
            signals: Signals::Reaping,
            mounts_proc,
            dies_with_thread: true,
            ..Plan::default()
        };
        let (pid, pidfd) = patiently(&plan)?;
        Ok(Process::new(pid, pidfd, true))
    }

    /// Has the calling thread, which is away from home, enter it.
    pub(super) fn enter(&self) -> io::Result<()> {
        let network = if self.network.is_some() {
            libc::CLONE_NEWNET
        } else {
            0
        };
        namespace::enter(self.init.as_fd(), namespace::PRIVATE | network)
    }

    /// Kills everything in it: with its first process a PID namespace ends.
    pub(super) fn kill(&self) {
        self.init.kill();
    }

    /// Waits for its end, after the stages have been reaped.
    pub(super) fn wait_until(&mut self, deadline: Instant) {
        let gone = self.init.wait_until(deadline);
        if let (false, Some(network)) = (gone, &mut self.network) {
            network.discard();
        }
    }
}
