//! The system calls that a function at I2 is refused, as a seccomp program.
//!
//! Refused means an error that a program can handle. Everything else is allowed: what a function
//! must not do with it is prevented by what it can see and by the user that it runs as.

use std::sync::Arc;

use super::super::{Measure, Measures};
use crate::Network;

mod program;

use program::{Condition, Rules, Verdict};
pub(super) use program::{Program, SUPPORTED};

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
/// what it doesn't know, and so do we for what we don't, and for the second numbering that x86 has
/// for the same calls.
const LAST_KNOWN: libc::c_long = 466;

/// The program for a function with this network; None if everything is left out.
pub(super) fn program(network: Network, measures: Measures) -> Option<Arc<Program>> {
    let mut rules = Rules::new();
    if measures.has(Measure::SystemCalls) {
        general(&mut rules);
    }
    match network {
        Network::None if measures.has(Measure::NetworkNone) => no_network(&mut rules),
        Network::None => {}
        Network::OutboundTcp => outbound(&mut rules, measures),
    }
    let last = if measures.has(Measure::SystemCalls) {
        LAST_KNOWN
    } else {
        i64::from(u32::MAX)
    };
    (!rules.is_empty()).then(|| Arc::new(program::compile(&rules, last)))
}

fn general(rules: &mut Rules) {
    rules.extend(REFUSED.iter().map(|&call| (call, Verdict::Refused)));
    // Its flags stand in memory, where no filter can see them. libc then uses `clone`.
    rules.insert(libc::SYS_clone3, Verdict::NoSuchCall);
    for flag in NAMESPACES {
        // The first argument of clone on all architectures that we support.
        let flag = flag as u32;
        refuse(rules, libc::SYS_clone, [Condition::Masked(0, flag, flag)]);
    }
    // Typing into the terminal that the host was started from.
    const TIOCSTI: u32 = 0x5412;
    const TIOCLINUX: u32 = 0x541c;
    for request in [TIOCSTI, TIOCLINUX] {
        refuse(rules, libc::SYS_ioctl, [Condition::Is(1, request)]);
    }
}

/// Sockets to other processes of the instance, and no others.
fn no_network(rules: &mut Rules) {
    refuse(
        rules,
        libc::SYS_socket,
        [Condition::IsNot(0, libc::AF_UNIX as u32)],
    );
}

/// TCP that the function opens. It is in the host's network, so sockets that have names there
/// without being files, abstract ones, are not for it.
fn outbound(rules: &mut Rules, measures: Measures) {
    use Condition::{Is, IsNot, Masked};
    if measures.has(Measure::TcpOnly) {
        let (inet, inet6) = (libc::AF_INET as u32, libc::AF_INET6 as u32);
        let (any, tcp) = (0, libc::IPPROTO_TCP as u32);
        refuse(rules, libc::SYS_socket, [IsNot(0, inet), IsNot(0, inet6)]);
        refuse(rules, libc::SYS_socket, [IsNot(2, any), IsNot(2, tcp)]);
        const KIND: u32 = 0xf;
        for kind in (0..=KIND).filter(|&kind| kind != libc::SOCK_STREAM as u32) {
            refuse(rules, libc::SYS_socket, [Masked(1, KIND, kind)]);
        }
        // Data with the first packet, which connects without `connect`.
        let fast = libc::MSG_FASTOPEN as u32;
        let calls = [
            (libc::SYS_sendto, 3),
            (libc::SYS_sendmsg, 2),
            (libc::SYS_sendmmsg, 3),
        ];
        for (call, flags) in calls {
            refuse(rules, call, [Masked(flags, fast, fast)]);
        }
    }
    if measures.has(Measure::PrivateAddresses) {
        // Routes that the sender lays down, by which packets would go elsewhere first.
        const IPV6_2292RTHDR: u32 = 5;
        let (ip, ip6) = (libc::IPPROTO_IP as u32, libc::IPPROTO_IPV6 as u32);
        let options = [
            (ip, libc::IP_OPTIONS as u32),
            (ip6, libc::IPV6_RTHDR as u32),
            (ip6, IPV6_2292RTHDR),
        ];
        for (level, option) in options {
            refuse(rules, libc::SYS_setsockopt, [Is(1, level), Is(2, option)]);
        }
    }
    if measures.has(Measure::Listen) {
        rules.insert(libc::SYS_listen, Verdict::Refused);
    }
}

/// Refuses the call if all conditions hold.
fn refuse(rules: &mut Rules, call: libc::c_long, conditions: impl Into<Vec<Condition>>) {
    let verdict = rules
        .entry(call)
        .or_insert_with(|| Verdict::RefusedIf(Vec::new()));
    if let Verdict::RefusedIf(any) = verdict {
        any.push(conditions.into());
    }
}
