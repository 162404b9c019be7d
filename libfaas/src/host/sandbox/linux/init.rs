//! The first process of a namespace: a program that does nothing.
//!
//! A PID namespace lives as long as its process 1, dies with it, and hands it every orphan. Nothing
//! else is asked of it here, since the stages are the host's own children: it sleeps with SIGCHLD
//! ignored, so the kernel reaps its orphans, and holds the namespaces open. For that the smallest
//! program will do, and it starts in a fraction of the time of one that is linked to a libc.

use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Mutex;

use rustix::fs::{MemfdFlags, Mode, OFlags, memfd_create};

/// `loop: pause(); goto loop`
#[cfg(target_arch = "x86_64")]
const CODE: [u8; 9] = [
    0xb8, 34, 0, 0, 0, // mov eax, pause
    0x0f, 0x05, // syscall
    0xeb, 0xf7, // jmp to the start
];

/// `loop: ppoll(NULL, 0, NULL, NULL, 0); goto loop`
#[cfg(target_arch = "aarch64")]
const CODE: [u8; 32] = [
    0x28, 0x09, 0x80, 0xd2, // mov x8, ppoll
    0x00, 0x00, 0x80, 0xd2, // mov x0, 0
    0x01, 0x00, 0x80, 0xd2, // mov x1, 0
    0x02, 0x00, 0x80, 0xd2, // mov x2, 0
    0x03, 0x00, 0x80, 0xd2, // mov x3, 0
    0x04, 0x00, 0x80, 0xd2, // mov x4, 0
    0x01, 0x00, 0x00, 0xd4, // svc 0
    0xf9, 0xff, 0xff, 0x17, // b to the start
];

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const CODE: [u8; 0] = [];

/// Whether there is such a program for this machine.
pub(super) const EXISTS: bool = !CODE.is_empty();

#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;
#[cfg(not(target_arch = "aarch64"))]
const MACHINE: u16 = 62;

/// The program as a file: ELF header, one program header, code.
fn elf() -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADER: u16 = 64;
    const PROGRAM_HEADER: u16 = 56;
    let size = u64::from(HEADER + PROGRAM_HEADER) + CODE.len() as u64;
    let mut file = Vec::new();
    // Magic number, 64 bits, little-endian, version 1.
    file.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    file.extend(2u16.to_le_bytes()); // an executable
    file.extend(MACHINE.to_le_bytes());
    file.extend(1u32.to_le_bytes()); // version
    file.extend((BASE + u64::from(HEADER + PROGRAM_HEADER)).to_le_bytes()); // where it begins
    file.extend(u64::from(HEADER).to_le_bytes()); // where the program header is
    file.extend(0u64.to_le_bytes()); // no sections
    file.extend(0u32.to_le_bytes()); // flags
    for half in [HEADER, PROGRAM_HEADER, 1, 0, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    file.extend(1u32.to_le_bytes()); // to be loaded
    file.extend(5u32.to_le_bytes()); // readable, executable
    for word in [0, BASE, BASE, size, size, 0x1000] {
        file.extend(u64::to_le_bytes(word));
    }
    file.extend(CODE);
    file
}

/// The program, ready to be executed.
pub(super) fn image() -> io::Result<OwnedFd> {
    static IMAGE: Mutex<Option<OwnedFd>> = Mutex::new(None);
    let mut image = IMAGE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if image.is_none() {
        let writable = memfd_create("faas-init", MemfdFlags::CLOEXEC)?;
        let mut file = std::fs::File::from(writable);
        file.write_all(&elf())?;
        // What is open for writing can't be executed.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        *image = Some(rustix::fs::open(
            path,
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )?);
    }
    match &*image {
        Some(image) => Ok(rustix::io::fcntl_dupfd_cloexec(image.as_fd(), 3)?),
        None => Err(io::ErrorKind::NotFound.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::spawn::{Plan, Signals, spawn};
    use super::*;
    use rustix::process::{Signal, WaitOptions, pidfd_send_signal, waitpid};

    #[test]
    fn it_sleeps_until_it_is_killed() {
        let plan = Plan {
            image: Some(image().unwrap()),
            signals: Signals::Reaping,
            ..Plan::default()
        };
        let (pid, pidfd) = spawn(&plan).unwrap();
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap();
        let ignored = status
            .lines()
            .find_map(|line| line.strip_prefix("SigIgn:\t"))
            .unwrap();
        assert_eq!(
            u64::from_str_radix(ignored, 16).unwrap(),
            1 << (libc::SIGCHLD - 1)
        );
        assert!(waitpid(Some(pid), WaitOptions::NOHANG).unwrap().is_none());
        pidfd_send_signal(&pidfd, Signal::KILL).unwrap();
        let (_, ended) = waitpid(Some(pid), WaitOptions::empty()).unwrap().unwrap();
        assert_eq!(ended.terminating_signal(), Some(libc::SIGKILL));
    }
}
