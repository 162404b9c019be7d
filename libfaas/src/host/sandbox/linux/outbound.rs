//! Where a function with `outbound-tcp` may connect to, as BPF programs on its control group.
//!
//! The kernel runs them on the address that is connected to, when it is connected to, so there is
//! no time between the check and the use, and no name that is looked up again.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;

/// The two programs, for IPv4 and IPv6.
#[derive(Debug)]
pub(super) struct Programs {
    connect4: OwnedFd,
    connect6: OwnedFd,
}

/// First bits of IPv4 addresses that are refused: prefix, and its length. This host and its
/// loopback, link-local, and what clouds have their metadata services at besides.
const REFUSED4: [(u32, u32); 6] = [
    (0x0000_0000, 8),
    (0x7f00_0000, 8),
    (0xa9fe_0000, 16),
    (0x6464_64c8, 32), // 100.100.100.200
    (0xa83f_8110, 32), // 168.63.129.16
    (0xc000_00c0, 32), // 192.0.0.192
];

/// First 32 bits of IPv6 addresses that are refused: link-local, and the networks in which Amazon
/// and Google have their metadata services.
const REFUSED6: [(u32, u32); 3] = [(0xfe80_0000, 10), (0xfd00_0ec2, 32), (0xfd20_00ce, 32)];

const BPF_PROG_LOAD: i64 = 5;
const BPF_PROG_ATTACH: i64 = 8;
const BPF_PROG_TYPE_CGROUP_SOCK_ADDR: u32 = 18;
const BPF_CGROUP_INET4_CONNECT: u32 = 10;
const BPF_CGROUP_INET6_CONNECT: u32 = 11;
const BPF_F_ALLOW_MULTI: u32 = 2;

impl Programs {
    /// Those of this host, loaded at the first use.
    pub(super) fn get() -> Result<&'static Programs, String> {
        static LOADED: OnceLock<Result<Programs, String>> = OnceLock::new();
        LOADED
            .get_or_init(|| Self::load().map_err(|error| error.to_string()))
            .as_ref()
            .map_err(Clone::clone)
    }

    fn load() -> io::Result<Programs> {
        Ok(Programs {
            connect4: load(&connect4(), BPF_CGROUP_INET4_CONNECT)?,
            connect6: load(&connect6(), BPF_CGROUP_INET6_CONNECT)?,
        })
    }

    /// Has all processes of a control group of version 2 connect only where they may. Ends with
    /// the group.
    pub(super) fn attach(&self, group: BorrowedFd<'_>) -> io::Result<()> {
        for (program, kind) in [
            (&self.connect4, BPF_CGROUP_INET4_CONNECT),
            (&self.connect6, BPF_CGROUP_INET6_CONNECT),
        ] {
            let fd = |fd: BorrowedFd<'_>| fd.as_raw_fd() as u32;
            let attributes = [fd(group), fd(program.as_fd()), kind, BPF_F_ALLOW_MULTI];
            // SAFETY: the kernel reads as many bytes as the last argument says, all of them numbers.
            unsafe {
                bpf(
                    BPF_PROG_ATTACH,
                    attributes.as_ptr().cast(),
                    size_of_val(&attributes),
                )
            }?;
        }
        Ok(())
    }
}

/// # Safety
///
/// The pointer leads to `size` bytes, which are what the command takes.
unsafe fn bpf(command: i64, attributes: *const libc::c_void, size: usize) -> io::Result<RawFd> {
    // SAFETY: the caller's promise.
    match unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size) } {
        -1 => Err(io::Error::last_os_error()),
        fd => Ok(fd as RawFd),
    }
}

/// The beginning of `union bpf_attr` for loading a program.
#[repr(C)]
struct LoadAttributes {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    attach_type: u32,
}

fn load(program: &[Instruction], attach_type: u32) -> io::Result<OwnedFd> {
    let code = assemble(program);
    let attributes = LoadAttributes {
        program_type: BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
        instruction_count: code.len() as u32,
        instructions: code.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
        name: *b"faas_connect\0\0\0\0",
        interface: 0,
        attach_type,
    };
    // SAFETY: the structure is the kernel's, and what its pointers lead to lives across the call.
    let fd = unsafe {
        bpf(
            BPF_PROG_LOAD,
            (&raw const attributes).cast(),
            size_of_val(&attributes),
        )
    }?;
    // SAFETY: a new descriptor, which nobody else knows; the kernel has made it close-on-exec.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Registers: the context comes in the first argument, the answer goes out in R0.
const R0: u8 = 0;
const CONTEXT: u8 = 1;
const SCRATCH: u8 = 2;
const WORDS: [u8; 4] = [6, 7, 8, 9];

/// Offsets in `struct bpf_sock_addr`.
const USER_IP4: i16 = 4;
const USER_IP6: i16 = 8;

#[derive(Clone, Copy, PartialEq)]
enum Label {
    Refuse,
    Allow,
    V4,
    NotTranslated,
}

#[derive(Clone, Copy)]
enum Instruction {
    /// Operation, target, source, offset, value.
    Do(u8, u8, u8, i16, i32),
    /// If the register is, or is not, the value.
    JumpIf(u8, bool, u32, Label),
    Here(Label),
}

use Instruction::{Do, Here, JumpIf};

/// The kernel's `struct bpf_insn`.
#[repr(C)]
#[derive(Debug, PartialEq)]
struct Code {
    operation: u8,
    registers: u8,
    offset: i16,
    value: i32,
}

const LOAD_WORD: u8 = 0x61;
const TO_BIG_ENDIAN: u8 = 0xdc;
const COPY: u8 = 0xbf;
const SET: u8 = 0xb7;
const SHIFT_RIGHT_32: u8 = 0x74;
const JUMP: u8 = 0x05;
const JUMP_IF_EQUAL_32: u8 = 0x16;
const JUMP_IF_NOT_EQUAL_32: u8 = 0x56;
const EXIT: u8 = 0x95;

fn connect4() -> Vec<Instruction> {
    let mut program = load_word(WORDS[3], USER_IP4);
    program.extend(verdict4());
    program
}

fn connect6() -> Vec<Instruction> {
    let mut program = Vec::new();
    for (n, register) in WORDS.into_iter().enumerate() {
        program.extend(load_word(register, USER_IP6 + 4 * n as i16));
    }
    program.extend(refuse(WORDS[0], &REFUSED6));
    program.extend([
        // 64:ff9b::/96 stands for IPv4 behind a translator.
        JumpIf(WORDS[0], false, 0x0064_ff9b, Label::NotTranslated),
        JumpIf(WORDS[1], false, 0, Label::NotTranslated),
        JumpIf(WORDS[2], true, 0, Label::V4),
        Here(Label::NotTranslated),
        JumpIf(WORDS[0], false, 0, Label::Allow),
        JumpIf(WORDS[1], false, 0, Label::Allow),
        // ::, ::1, and IPv4 as it was once written in IPv6.
        JumpIf(WORDS[2], true, 0, Label::Refuse),
        // ::ffff:0:0/96, IPv4 as it is.
        JumpIf(WORDS[2], false, 0xffff, Label::Allow),
        Here(Label::V4),
    ]);
    program.extend(verdict4());
    program
}

/// Loads a word of the address, the first byte highest.
fn load_word(register: u8, offset: i16) -> Vec<Instruction> {
    vec![
        Do(LOAD_WORD, register, CONTEXT, offset, 0),
        Do(TO_BIG_ENDIAN, register, 0, 0, 32),
    ]
}

fn refuse(register: u8, prefixes: &[(u32, u32)]) -> Vec<Instruction> {
    let check = |&(prefix, length): &(u32, u32)| match length {
        32 => vec![JumpIf(register, true, prefix, Label::Refuse)],
        length => vec![
            Do(COPY, SCRATCH, register, 0, 0),
            Do(SHIFT_RIGHT_32, SCRATCH, 0, 0, 32 - length as i32),
            JumpIf(SCRATCH, true, prefix >> (32 - length), Label::Refuse),
        ],
    };
    prefixes.iter().flat_map(check).collect()
}

/// On the IPv4 address in the last word.
fn verdict4() -> Vec<Instruction> {
    let mut program = refuse(WORDS[3], &REFUSED4);
    program.extend([
        Here(Label::Allow),
        Do(SET, R0, 0, 0, 1),
        Do(EXIT, 0, 0, 0, 0),
        Here(Label::Refuse),
        Do(SET, R0, 0, 0, 0),
        Do(EXIT, 0, 0, 0, 0),
    ]);
    program
}

fn assemble(program: &[Instruction]) -> Vec<Code> {
    let is_code = |i: &&Instruction| !matches!(i, Here(_));
    let place = |wanted: Label| {
        let before = program
            .iter()
            .take_while(|i| !matches!(i, Here(label) if *label == wanted));
        before.filter(is_code).count() as i16
    };
    let code = |(at, instruction): (usize, &Instruction)| {
        // Jumps count from the instruction after.
        let to = |label| place(label) - at as i16 - 1;
        let (operation, target, source, offset, value) = match *instruction {
            Do(operation, target, source, offset, value) => {
                (operation, target, source, offset, value)
            }
            JumpIf(register, true, value, label) => {
                (JUMP_IF_EQUAL_32, register, 0, to(label), value as i32)
            }
            JumpIf(register, false, value, label) => {
                (JUMP_IF_NOT_EQUAL_32, register, 0, to(label), value as i32)
            }
            // Filtered out below: a place is no instruction.
            Here(label) => (JUMP, 0, 0, to(label), 0),
        };
        Code {
            operation,
            registers: target | source << 4,
            offset,
            value,
        }
    };
    program
        .iter()
        .filter(is_code)
        .enumerate()
        .map(code)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    /// Runs a program as the kernel would.
    fn allows(program: &[Instruction], context: &[u8]) -> bool {
        let code = assemble(program);
        let mut registers = [0u64; 10];
        let mut at = 0usize;
        loop {
            let Code {
                operation,
                registers: both,
                offset,
                value,
            } = code[at];
            let (target, source) = (usize::from(both & 15), usize::from(both >> 4));
            let jump = |taken: bool| if taken { offset } else { 0 };
            let mut by = 0;
            match operation {
                LOAD_WORD => {
                    let from = offset as usize;
                    let word = context[from..from + 4].try_into().unwrap();
                    registers[target] = u64::from(u32::from_le_bytes(word));
                }
                TO_BIG_ENDIAN => {
                    registers[target] = u64::from((registers[target] as u32).swap_bytes())
                }
                COPY => registers[target] = registers[source],
                SET => registers[target] = value as u64,
                SHIFT_RIGHT_32 => registers[target] = u64::from(registers[target] as u32 >> value),
                JUMP => by = offset,
                JUMP_IF_EQUAL_32 => by = jump(registers[target] as u32 == value as u32),
                JUMP_IF_NOT_EQUAL_32 => by = jump(registers[target] as u32 != value as u32),
                EXIT => return registers[0] == 1,
                other => panic!("no such operation: {other:#x}"),
            }
            at = (at as i64 + 1 + i64::from(by)) as usize;
        }
    }

    fn allows4(address: Ipv4Addr) -> bool {
        allows(
            &connect4(),
            &[&[0; 4][..], &address.octets(), &[0; 32]].concat(),
        )
    }

    fn allows6(address: Ipv6Addr) -> bool {
        allows(
            &connect6(),
            &[&[0; 8][..], &address.octets(), &[0; 32]].concat(),
        )
    }

    #[test]
    fn private_addresses_are_refused_in_every_form() {
        for address in [
            "127.0.0.1",
            "127.255.255.254",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
        ] {
            let address: Ipv4Addr = address.parse().unwrap();
            assert!(!allows4(address), "{address}");
            assert!(!allows6(address.to_ipv6_mapped()), "{address}");
            assert!(
                !allows6(format!("64:ff9b::{address}").parse().unwrap()),
                "{address}"
            );
        }
        for address in [
            "::",
            "::1",
            "::127.0.0.1",
            "fe80::1",
            "febf:ffff::1",
            "fd00:ec2::254",
            "fd20:ce::254",
        ] {
            assert!(!allows6(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn others_are_allowed() {
        for address in [
            "1.1.1.1",
            "10.0.0.1",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.0.1",
            "169.255.0.1",
            "192.168.1.1",
        ] {
            let address: Ipv4Addr = address.parse().unwrap();
            assert!(allows4(address), "{address}");
            assert!(allows6(address.to_ipv6_mapped()), "{address}");
        }
        for address in [
            "2606:4700:4700::1111",
            "fe7f::1",
            "fec0::1",
            "fd00:ec3::254",
            "64:ff9b:1::7f00:1",
            "0:0:1::1",
        ] {
            assert!(allows6(address.parse().unwrap()), "{address}");
        }
    }
}
