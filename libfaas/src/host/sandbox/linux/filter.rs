//! The system calls that a function at I2 is refused, as seccomp programs.
//!
//! Refused means an error that a program can handle. Everything else is allowed: what a function
//! must not do with it is prevented by what it can see and by the user that it runs as.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition,
    SeccompFilter, SeccompRule,
};

use super::super::{Measure, Measures};
use crate::Network;

/// A seccomp program, as the kernel takes it.
pub(super) type Program = Vec<libc::sock_filter>;

/// Mounting, tracing, BPF, key rings, what administers the machine, and interfaces to the kernel
/// that programs can do without and that have been the way out of many a sandbox.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_fanotify_init,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_perf_event_open,
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
];

/// Flags of `clone` that make namespaces.
const NAMESPACES: [libc::c_int; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// The last system call that was looked at for this list. The kernel answers "no such call" for
/// what it doesn't know, and so do we for what we don't.
const LAST_KNOWN: libc::c_long = 466;

/// The programs for a function with this network.
pub(super) fn programs(network: Network, measures: Measures) -> io::Result<Vec<Arc<Program>>> {
    let mut rules = BTreeMap::new();
    let mut programs = Vec::new();
    if measures.has(Measure::SystemCalls) {
        programs.push(Arc::new(unknown_calls()));
        general(&mut rules)?;
    }
    match network {
        Network::None if measures.has(Measure::NetworkNone) => no_network(&mut rules)?,
        Network::None => {}
        Network::OutboundTcp => outbound(&mut rules, measures)?,
    }
    if !rules.is_empty() {
        programs.push(Arc::new(compile(rules)?));
    }
    Ok(programs)
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn general(rules: &mut Rules) -> io::Result<()> {
    rules.extend(REFUSED.iter().map(|&call| (call, Vec::new())));
    for flag in NAMESPACES {
        // The first argument of clone on all architectures that we support.
        refuse(
            rules,
            libc::SYS_clone,
            &[(0, Op::MaskedEq(flag as u64), flag as u64)],
        )?;
    }
    // Typing into the terminal that the host was started from.
    const TIOCSTI: u64 = 0x5412;
    const TIOCLINUX: u64 = 0x541c;
    for request in [TIOCSTI, TIOCLINUX] {
        refuse(rules, libc::SYS_ioctl, &[(1, Op::Eq, request)])?;
    }
    Ok(())
}

/// Sockets to other processes of the instance, and no others.
fn no_network(rules: &mut Rules) -> io::Result<()> {
    refuse(
        rules,
        libc::SYS_socket,
        &[(0, Op::Ne, libc::AF_UNIX as u64)],
    )
}

/// TCP that the function opens. It is in the host's network, so sockets that have names there
/// without being files, abstract ones, are not for it.
fn outbound(rules: &mut Rules, measures: Measures) -> io::Result<()> {
    if measures.has(Measure::TcpOnly) {
        let (inet, inet6) = (libc::AF_INET as u64, libc::AF_INET6 as u64);
        let (any, tcp) = (0, libc::IPPROTO_TCP as u64);
        refuse(
            rules,
            libc::SYS_socket,
            &[(0, Op::Ne, inet), (0, Op::Ne, inet6)],
        )?;
        refuse(
            rules,
            libc::SYS_socket,
            &[(2, Op::Ne, any), (2, Op::Ne, tcp)],
        )?;
        const KIND: u64 = 0xf;
        for kind in (0..=KIND).filter(|&kind| kind != libc::SOCK_STREAM as u64) {
            refuse(rules, libc::SYS_socket, &[(1, Op::MaskedEq(KIND), kind)])?;
        }
        // Data with the first packet, which connects without `connect`.
        let fast = libc::MSG_FASTOPEN as u64;
        for (call, flags) in [
            (libc::SYS_sendto, 3),
            (libc::SYS_sendmsg, 2),
            (libc::SYS_sendmmsg, 3),
        ] {
            refuse(rules, call, &[(flags, Op::MaskedEq(fast), fast)])?;
        }
    }
    if measures.has(Measure::PrivateAddresses) {
        // Routes that the sender lays down, by which packets would go elsewhere first.
        const IPV6_2292RTHDR: u64 = 5;
        let (ip, ip6) = (libc::IPPROTO_IP as u64, libc::IPPROTO_IPV6 as u64);
        for (level, option) in [
            (ip, libc::IP_OPTIONS as u64),
            (ip6, libc::IPV6_RTHDR as u64),
            (ip6, IPV6_2292RTHDR),
        ] {
            refuse(
                rules,
                libc::SYS_setsockopt,
                &[(1, Op::Eq, level), (2, Op::Eq, option)],
            )?;
        }
    }
    if measures.has(Measure::Listen) {
        rules.insert(libc::SYS_listen, Vec::new());
    }
    Ok(())
}

/// Refuses the call if all conditions hold: argument, comparison, value.
fn refuse(rules: &mut Rules, call: libc::c_long, conditions: &[(u8, Op, u64)]) -> io::Result<()> {
    let conditions = conditions.iter().map(|(argument, op, value)| {
        SeccompCondition::new(*argument, Len::Dword, op.clone(), *value)
    });
    let conditions = conditions
        .collect::<Result<Vec<_>, _>>()
        .map_err(io::Error::other)?;
    let rule = SeccompRule::new(conditions).map_err(io::Error::other)?;
    rules.entry(call).or_default().push(rule);
    Ok(())
}

fn compile(rules: Rules) -> io::Result<Program> {
    let architecture = std::env::consts::ARCH
        .try_into()
        .map_err(io::Error::other)?;
    let error = SeccompAction::Errno(libc::EPERM as u32);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, error, architecture);
    let program: BpfProgram = filter
        .and_then(TryInto::try_into)
        .map_err(io::Error::other)?;
    let convert = |i: seccompiler::sock_filter| libc::sock_filter {
        code: i.code,
        jt: i.jt,
        jf: i.jf,
        k: i.k,
    };
    Ok(program.into_iter().map(convert).collect())
}

/// "No such call" for calls that are newer than this list, for the second numbering that x86 has
/// for the same calls, and for `clone3`, whose flags stand in memory where no filter can see them:
/// libc then uses `clone`.
fn unknown_calls() -> Program {
    let no_such_call = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
    let statement = |code, k| libc::sock_filter {
        code,
        jt: 0,
        jf: 0,
        k,
    };
    let jump = |code, k, jt, jf| libc::sock_filter { code, jt, jf, k };
    let (load, compare_eq, compare_gt, answer) = (0x20, 0x15, 0x25, 0x06);
    vec![
        // The number is the first field of `seccomp_data`.
        statement(load, 0),
        jump(compare_gt, LAST_KNOWN as u32, 1, 0),
        jump(compare_eq, libc::SYS_clone3 as u32, 0, 1),
        statement(answer, no_such_call),
        statement(answer, libc::SECCOMP_RET_ALLOW),
    ]
}
