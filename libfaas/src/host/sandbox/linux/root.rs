//! What an instance sees of files: made once for a revision, copied for each of its instances.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount,
    mount_change, mount_remount, move_mount, open_tree, unmount,
};

use super::super::{Measure, Measures, SandboxError};
use super::{namespace, userns};
use crate::Network;

/// The system's libraries and programs. Where one is a symbolic link, the link is shown.
const SYSTEM: [&str; 7] = [
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32",
];

/// What libraries and programs read of `/etc`: how to find libraries, whom to trust, what time it
/// is. Copied, since a mount for each would make every start slower.
const ETC: [&str; 14] = [
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "ssl/certs",
    "ssl/openssl.cnf",
    "pki/tls/certs",
    "pki/ca-trust/extracted",
    "crypto-policies",
    "alternatives",
    "localtime",
    "protocols",
    "services",
    "mime.types",
    "fonts",
];

/// The devices that a function may see: name, major and minor number.
const DEVICES: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

/// What decides what a root looks like.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    /// Absolute, without symbolic links.
    pub(super) folder: PathBuf,
    pub(super) user: u32,
    pub(super) network: Network,
    pub(super) measures: Measures,
}

/// A mount namespace that holds nothing but what the instances of a revision see.
#[derive(Debug)]
pub(super) struct Root {
    namespace: OwnedFd,
    tmpdir: &'static str,
}

/// The same files: a folder that was replaced is another, and so is a system that was updated.
type Identity = [(u64, u64, i64); 2];

/// How many roots are kept for later.
const KEPT: usize = 128;

impl Root {
    /// The one for this revision, made if it isn't there.
    pub(super) fn get(wanted: &Wanted) -> Result<Arc<Root>, SandboxError> {
        static ROOTS: Mutex<VecDeque<(Wanted, Identity, Arc<Root>)>> = Mutex::new(VecDeque::new());
        let identity = identity(&wanted.folder).map_err(|e| cant(wanted, "look at", e))?;
        let lock = || ROOTS.lock().unwrap_or_else(PoisonError::into_inner);
        let same =
            |entry: &&(Wanted, Identity, Arc<Root>)| entry.0 == *wanted && entry.1 == identity;
        if let Some((_, _, root)) = lock().iter().find(same) {
            return Ok(Arc::clone(root));
        }
        let root = Arc::new(Root::new(wanted)?);
        let mut roots = lock();
        roots.retain(|entry| entry.0 != *wanted);
        roots.truncate(KEPT - 1);
        roots.push_front((wanted.clone(), identity, Arc::clone(&root)));
        Ok(root)
    }

    fn new(wanted: &Wanted) -> Result<Root, SandboxError> {
        let top = wanted.folder.components().nth(1);
        let reserved = ["dev", "proc", "sys"].map(Path::new);
        if top.is_none_or(|top| reserved.contains(&Path::new(top.as_os_str()))) {
            let folder = wanted.folder.display();
            return Err(SandboxError::Refused(format!(
                "the function's folder is {folder}, and an isolated function has its own there; move it, for example below /srv"
            )));
        }
        let tmpdir = match wanted.folder.starts_with("/tmp") {
            true => "/run/tmp",
            false => "/tmp",
        };
        let folder = self::folder(wanted)?;
        let wanted = wanted.clone();
        let namespace = namespace::away(move || build(&wanted, folder.as_fd(), tmpdir));
        let namespace =
            namespace.map_err(|e| SandboxError::step("make the root of an instance", e))?;
        Ok(Root { namespace, tmpdir })
    }

    /// Has the calling thread, which is away from home, enter it.
    pub(super) fn enter(&self) -> io::Result<()> {
        namespace::enter(self.namespace.as_fd(), libc::CLONE_NEWNS)
    }

    /// Where an instance's `TMPDIR` has to be mounted.
    pub(super) fn tmpdir(&self) -> &'static str {
        self.tmpdir
    }
}

fn cant(wanted: &Wanted, what: &str, source: io::Error) -> SandboxError {
    SandboxError::step(
        format!("{what} the function's folder {}", wanted.folder.display()),
        source,
    )
}

fn identity(folder: &Path) -> io::Result<Identity> {
    let of = |path: &Path| fs::metadata(path).map(|meta| (meta.dev(), meta.ino(), meta.mtime()));
    let (dev, ino, _) = of(folder)?;
    Ok([
        (dev, ino, 0),
        of(Path::new("/etc/ld.so.cache")).unwrap_or_default(),
    ])
}

/// The function's folder as a mount of its own, in which its owner is the tenant's user; so a
/// folder that its owner alone may read needs no other rights.
fn folder(wanted: &Wanted) -> Result<OwnedFd, SandboxError> {
    let tree = clone_tree(&wanted.folder).map_err(|e| cant(wanted, "show", e))?;
    let meta = fs::metadata(&wanted.folder).map_err(|e| cant(wanted, "look at", e))?;
    let mut set = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    if wanted.measures.has(Measure::ReadOnly) {
        set |= libc::MOUNT_ATTR_RDONLY;
    }
    attributes(tree.as_fd(), set, None).map_err(|e| cant(wanted, "show", e))?;
    let users = userns::mapping((meta.uid(), wanted.user), (meta.gid(), wanted.user));
    let mapped = users
        .and_then(|users| attributes(tree.as_fd(), libc::MOUNT_ATTR_IDMAP, Some(users.as_fd())));
    const OTHERS_ENTER: u32 = 0o005;
    match mapped {
        Ok(()) => Ok(tree),
        // As it is, with its own owner.
        Err(_) if meta.mode() & OTHERS_ENTER == OTHERS_ENTER => Ok(tree),
        Err(error) => Err(SandboxError::Refused(format!(
            "the function's folder {} may be read by user {} alone, and its file system can't show it as another's ({error}); give others the right to read and enter it (chmod -R o+rX)",
            wanted.folder.display(),
            meta.uid()
        ))),
    }
}

/// A copy of the mounts at a path, attached nowhere.
pub(super) fn clone_tree(path: &Path) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    Ok(open_tree(CWD, path, flags)?)
}

pub(super) fn attach(tree: BorrowedFd<'_>, at: &Path) -> io::Result<()> {
    Ok(move_mount(
        tree,
        "",
        CWD,
        at,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )?)
}

/// Sets attributes of a mount and all below it.
fn attributes(tree: BorrowedFd<'_>, set: u64, users: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let attr = libc::mount_attr {
        attr_set: set,
        attr_clr: 0,
        propagation: 0,
        userns_fd: users.map_or(0, |fd| fd.as_raw_fd() as u64),
    };
    let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
    // SAFETY: the string ends with NUL, and the structure is as long as the last argument says.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<libc::mount_attr>(),
        )
    };
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Tries what [`folder`] needs of the kernel.
pub(super) fn try_attributes() -> io::Result<()> {
    let tree = clone_tree(Path::new(STAGE))?;
    attributes(
        tree.as_fd(),
        libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_RDONLY,
        None,
    )
}

/// Where the new root is put together: a folder that every Linux has, and of which nothing is
/// needed meanwhile.
const STAGE: &str = "/proc";

/// Runs away from home. Everything is put together on a file system in memory, which then takes the
/// place of the host's.
fn build(wanted: &Wanted, folder: BorrowedFd<'_>, tmpdir: &str) -> io::Result<OwnedFd> {
    namespace::unshare(libc::CLONE_NEWNS)?;
    let own = namespace::own("mnt")?;
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )?;
    // The thread's own, since it shares nothing of the kind.
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
    mount("faas", STAGE, "tmpfs", MountFlags::NOSUID, c"mode=0755")?;
    system()?;
    devices(wanted)?;
    etc(wanted, tmpdir)?;
    for dir in ["/proc", tmpdir] {
        make_dir(dir)?;
    }
    make_dir(&wanted.folder)?;
    match wanted.folder.parent().filter(|p| p.parent().is_some()) {
        Some(parent) if !wanted.measures.has(Measure::Files) => {
            attach(clone_tree(parent)?.as_fd(), &staged(parent))?;
        }
        _ => attach(folder, &staged(&wanted.folder))?,
    }
    rustix::process::chdir(STAGE)?;
    rustix::process::pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    rustix::process::chdir("/")?;
    if wanted.measures.has(Measure::ReadOnly) {
        let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::BIND;
        close(flags)?;
    }
    Ok(own)
}

/// Makes the root read-only. A process that is being started at this moment may hold, for as long
/// as it takes, a copy of a descriptor through which we have written.
fn close(flags: MountFlags) -> io::Result<()> {
    const PATIENCE: Duration = Duration::from_secs(1);
    let start = Instant::now();
    loop {
        match mount_remount("/", flags, c"") {
            Err(Errno::BUSY) if start.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(1));
            }
            result => return Ok(result?),
        }
    }
}

fn staged(path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    Path::new(STAGE).join(path.strip_prefix("/").unwrap_or(path))
}

fn make_dir(path: impl AsRef<Path>) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(staged(path))
}

fn system() -> io::Result<()> {
    let read_only = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    for path in SYSTEM {
        match fs::symlink_metadata(path) {
            Ok(meta) if meta.is_symlink() => symlink(fs::read_link(path)?, staged(path))?,
            Ok(meta) if meta.is_dir() => {
                let tree = clone_tree(Path::new(path))?;
                attributes(tree.as_fd(), read_only, None)?;
                make_dir(path)?;
                attach(tree.as_fd(), &staged(path))?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn devices(wanted: &Wanted) -> io::Result<()> {
    make_dir("/dev")?;
    if !wanted.measures.has(Measure::Devices) {
        return attach(clone_tree(Path::new("/dev"))?.as_fd(), &staged("/dev"));
    }
    for (name, major, minor) in DEVICES {
        let at = staged("/dev").join(name);
        let mode = Mode::from_raw_mode(0o666);
        match mknodat(
            CWD,
            &at,
            FileType::CharacterDevice,
            mode,
            makedev(major, minor),
        ) {
            Ok(()) => fs::set_permissions(&at, fs::Permissions::from_mode(0o666))?,
            // Some containers may not make devices, but they have them.
            Err(_) => {
                fs::write(&at, "")?;
                attach(clone_tree(&Path::new("/dev").join(name))?.as_fd(), &at)?;
            }
        }
    }
    for (name, to) in [
        ("fd", ""),
        ("stdin", "/0"),
        ("stdout", "/1"),
        ("stderr", "/2"),
    ] {
        symlink(format!("/proc/self/fd{to}"), staged("/dev").join(name))?;
    }
    Ok(())
}

fn etc(wanted: &Wanted, tmpdir: &str) -> io::Result<()> {
    if !wanted.measures.has(Measure::Files) {
        make_dir("/etc")?;
        return attach(clone_tree(Path::new("/etc"))?.as_fd(), &staged("/etc"));
    }
    make_dir("/etc")?;
    let mut left = MOST_COPIED;
    for name in ETC {
        let from = Path::new("/etc").join(name);
        if fs::symlink_metadata(&from).is_ok() {
            if let Some(parent) = from.parent() {
                make_dir(parent)?;
            }
            copy(&from, &mut left)?;
        }
    }
    let user = wanted.user;
    let write = |name: &str, text: &str| fs::write(staged("/etc").join(name), text);
    write(
        "passwd",
        &format!(
            "root:x:0:0:root:/:/usr/sbin/nologin\nfunction:x:{user}:{user}::{tmpdir}:/usr/sbin/nologin\n"
        ),
    )?;
    write("group", &format!("root:x:0:\nfunction:x:{user}:\n"))?;
    write("hosts", "127.0.0.1 localhost\n::1 localhost\n")?;
    write(
        "nsswitch.conf",
        "passwd: files\ngroup: files\nhosts: files dns\n",
    )?;
    if wanted.network == Network::OutboundTcp {
        // Names are asked for over TCP, the only thing that is let through.
        let host = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        write(
            "resolv.conf",
            &format!("{}\noptions use-vc\n", host.trim_end()),
        )?;
    }
    Ok(())
}

/// Bytes that are copied of `/etc` at most.
const MOST_COPIED: u64 = 32 << 20;

/// Copies a file, a link or a folder to the same place below the new root. What others may not read
/// is none of a function's business and stays out, and so does what is beyond the bound.
fn copy(path: &Path, left: &mut u64) -> io::Result<()> {
    let meta = fs::symlink_metadata(path)?;
    const OTHERS_READ: u32 = 0o004;
    if meta.is_symlink() {
        return symlink(fs::read_link(path)?, staged(path));
    }
    if meta.mode() & OTHERS_READ == 0 {
        return Ok(());
    }
    if meta.is_dir() {
        make_dir(path)?;
        return fs::read_dir(path)?.try_for_each(|entry| copy(&entry?.path(), left));
    }
    if meta.is_file() && meta.len() <= *left {
        *left -= meta.len();
        fs::copy(path, staged(path))?;
    }
    Ok(())
}
