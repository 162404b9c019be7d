//! What stands outside a function and must be out of its reach. Each case has its own.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::deploy::open_to_all;

/// Things that whoever runs beside the suite on the same machine could reach.
#[derive(Debug)]
pub struct Lures {
    /// A file that everybody may read.
    file: PathBuf,
    /// A folder that everybody may write to.
    folder: PathBuf,
    tcp: TcpListener,
    tcp6: Option<TcpListener>,
    udp: UdpSocket,
    abstract_socket: Option<(String, UnixListener)>,
    shared_memory: Option<SharedMemory>,
}

impl Lures {
    /// Those of one case; files go below `folder`.
    pub(crate) fn new(folder: &Path) -> io::Result<Lures> {
        let file = folder.join("outside.txt");
        fs::write(&file, "out of reach\n")?;
        open_to_all(&file, 0o644)?;
        let open = folder.join("outside");
        fs::create_dir(&open)?;
        open_to_all(&open, 0o777)?;
        let tcp = TcpListener::bind("127.0.0.1:0")?;
        tcp.set_nonblocking(true)?;
        let tcp6 = TcpListener::bind("[::1]:0").ok();
        if let Some(listener) = &tcp6 {
            listener.set_nonblocking(true)?;
        }
        let udp = UdpSocket::bind("127.0.0.1:0")?;
        udp.set_nonblocking(true)?;
        Ok(Lures {
            file,
            folder: open,
            abstract_socket: abstract_socket(tcp.local_addr()?.port()),
            tcp,
            tcp6,
            udp,
            shared_memory: SharedMemory::new(),
        })
    }

    /// Where they are, by the names that cases give them.
    pub(crate) fn facts(&self) -> BTreeMap<String, Value> {
        let path = |path: &Path| Value::from(path.to_string_lossy());
        let port = |port: io::Result<std::net::SocketAddr>| port.map_or(0, |a| a.port());
        let tcp = port(self.tcp.local_addr());
        let tcp6 = self.tcp6.as_ref().map_or(tcp, |t| port(t.local_addr()));
        let udp = port(self.udp.local_addr());
        let abstract_socket = self.abstract_socket.as_ref();
        [
            ("lure:file", path(&self.file)),
            ("lure:folder", path(&self.folder)),
            ("lure:tcp", format!("127.0.0.1:{tcp}").into()),
            (
                "lure:tcp-mapped",
                format!("[::ffff:127.0.0.1]:{tcp}").into(),
            ),
            ("lure:tcp6", format!("[::1]:{tcp6}").into()),
            ("lure:udp", format!("127.0.0.1:{udp}").into()),
            (
                "lure:abstract",
                abstract_socket.map_or("none", |(name, _)| name).into(),
            ),
            (
                "lure:shared-memory",
                self.shared_memory.as_ref().map_or(1, |s| s.key).into(),
            ),
            ("lure:process", std::process::id().into()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// What was reached, if anything.
    pub fn touched(&self) -> Option<String> {
        let tcp6 = self.tcp6.as_ref();
        if self.tcp.accept().is_ok() || tcp6.is_some_and(|tcp6| tcp6.accept().is_ok()) {
            return Some("a connection to a loopback port of the suite".to_owned());
        }
        if self.udp.recv(&mut [0; 64]).is_ok() {
            return Some("a datagram to a loopback port of the suite".to_owned());
        }
        if let Some((_, listener)) = &self.abstract_socket
            && listener.accept().is_ok()
        {
            return Some("a connection to an abstract socket of the suite".to_owned());
        }
        let created = fs::read_dir(&self.folder).is_ok_and(|mut entries| entries.next().is_some());
        created.then(|| "a file in a folder that is not the function's".to_owned())
    }
}

#[cfg(target_os = "linux")]
fn abstract_socket(number: u16) -> Option<(String, UnixListener)> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;

    let name = format!("faas-suite-{}-{number}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).ok()?;
    let listener = UnixListener::bind_addr(&address).ok()?;
    listener.set_nonblocking(true).ok()?;
    Some((name, listener))
}

#[cfg(not(target_os = "linux"))]
fn abstract_socket(_: u16) -> Option<(String, UnixListener)> {
    None
}

/// A System V segment that everybody may read, removed with its value.
#[derive(Debug)]
struct SharedMemory {
    key: i32,
    id: i32,
}

impl SharedMemory {
    fn new() -> Option<SharedMemory> {
        // Another key where one is taken.
        (0..16).find_map(|_| {
            let key = fastrand::i32(1..);
            // SAFETY: takes numbers.
            let id = unsafe { libc::shmget(key, 4096, libc::IPC_CREAT | libc::IPC_EXCL | 0o666) };
            (id >= 0).then_some(SharedMemory { key, id })
        })
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // SAFETY: removing takes no structure.
        unsafe { libc::shmctl(self.id, libc::IPC_RMID, std::ptr::null_mut()) };
    }
}
