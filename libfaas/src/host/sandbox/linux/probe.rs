//! What this host can claim, tried out and not guessed.

use std::io;

use rustix::process::geteuid;

use super::super::{Means, Missing};
use super::cgroup::{Controller, Hierarchies};
use super::outbound::Programs;
use super::{filter, init, namespace, root, userns};
use crate::host::Level;

/// I1, and how.
pub(super) fn hygiene() -> Result<Means, Missing> {
    let hierarchies = Hierarchies::get();
    let memory = hierarchies
        .has(Controller::Memory)
        .unwrap_or("watching resident memory");
    let pids = match hierarchies.has(Controller::Pids) {
        Some(means) => means,
        None if geteuid().is_root() => {
            let complaints = match hierarchies.complaints.is_empty() {
                true => String::new(),
                false => format!(" ({})", hierarchies.complaints.join("; ")),
            };
            return Err(Missing {
                level: Level::Hygiene,
                missing: format!("no control group with the pids controller can be made{complaints}, and the kernel does not count the superuser's processes otherwise"),
                remedy: "run the host in a control group that is delegated to it (systemd-run --scope -p Delegate=yes), or as another user".into(),
            });
        }
        None => {
            counting()?;
            "RLIMIT_NPROC in a user namespace"
        }
    };
    Ok(Means(format!(
        "processes: own session, no_new_privs; memory: {memory}; pids: {pids}"
    )))
}

/// Whether user namespaces are to be had.
fn counting() -> Result<(), Missing> {
    userns::create().map(drop).map_err(|error| Missing {
        level: Level::Hygiene,
        missing: format!("the number of processes can't be bounded: there is no control group with the pids controller, and no user namespace ({error})"),
        remedy: "run the host in a control group that is delegated to it (systemd-run --user --scope -p Delegate=yes), or allow user namespaces (kernel.unprivileged_userns_clone, user.max_user_namespaces, AppArmor)".into(),
    })
}

/// I2, and how.
pub(super) fn multi_tenant() -> Result<Means, Missing> {
    let missing = |missing: String, remedy: &str| Missing {
        level: Level::MultiTenant,
        missing,
        remedy: remedy.into(),
    };
    if !geteuid().is_root() {
        return Err(missing(
            "the host is not the superuser".into(),
            "run it as root, or claim I1",
        ));
    }
    let hierarchies = Hierarchies::get();
    let lacking: Vec<_> = Controller::ALL
        .into_iter()
        .filter(|&c| hierarchies.has(c).is_none())
        .map(Controller::name)
        .collect();
    if !lacking.is_empty() {
        let complaints = hierarchies.complaints.join("; ");
        return Err(missing(
            format!(
                "no control groups with the controllers {} can be made {complaints}",
                lacking.join(", ")
            ),
            "run the host in a control group that is delegated to it (systemd-run --scope -p Delegate=yes)",
        ));
    }
    if !(init::EXISTS && filter::SUPPORTED) {
        return Err(missing(
            format!(
                "the programs that process 1 runs and that filters system calls are not there for {}",
                std::env::consts::ARCH
            ),
            "run the host on x86-64 or 64-bit ARM",
        ));
    }
    try_namespaces().map_err(|error| {
        missing(
            format!("namespaces can't be made and left again: {error}"),
            "give the host CAP_SYS_ADMIN, CAP_SYS_CHROOT, CAP_SETUID and CAP_SETGID, and let it unshare (containers: --privileged, or a seccomp profile that allows it)",
        )
    })?;
    root::try_attributes().map_err(|error| {
        missing(
            format!("mounts can't be copied and made read-only: {error}"),
            "run the host on Linux 5.12 or later, and let it use open_tree and mount_setattr (containers: --privileged, or a seccomp profile that allows them)",
        )
    })?;
    let groups = hierarchies.has(Controller::Memory).unwrap_or_default();
    let outbound = match outbound() {
        Ok(()) => "BPF on cgroup v2",
        Err(_) => "refused",
    };
    Ok(Means(format!(
        "namespaces: mount, pid, network, ipc, uts, cgroup; a user per tenant; seccomp; no_new_privs; {groups}: memory, pids, cpu; outbound-tcp: {outbound}"
    )))
}

/// Whether a function may have `outbound-tcp`, or what is missing.
pub(super) fn outbound() -> Result<(), String> {
    let lacks = if Hierarchies::get().has_unified() {
        Programs::get()
            .err()
            .map(|error| format!("BPF programs can't be loaded: {error}"))
    } else {
        Some("there is no control group of version 2 to be had".into())
    };
    match lacks {
        None => Ok(()),
        Some(lacks) => Err(format!(
            "`network: outbound-tcp` can't be kept within its bounds here: {lacks}; mount cgroup2, give the host CAP_BPF and CAP_NET_ADMIN, or deploy the function with `network: none`"
        )),
    }
}

fn try_namespaces() -> io::Result<()> {
    // Both open files of /proc, which can't be reached from away.
    namespace::remember_home()?;
    init::image()?;
    namespace::away(|| namespace::unshare(namespace::PRIVATE | libc::CLONE_NEWNET))
}

#[cfg(test)]
mod tests {
    use super::super::older::{self, allow, fail, load, unless};
    use super::*;

    /// As before 5.12.
    #[test]
    fn a_kernel_that_gives_mounts_no_attributes_offers_no_i2() {
        // It starts the threads that enter namespaces, too, which are not to be the filtered one's.
        if let Err(missing) = multi_tenant() {
            eprintln!("skipped: {missing}");
            return;
        }
        let older_than_5_12 = vec![
            load(0),
            unless(libc::SYS_mount_setattr as u32, 1),
            fail(libc::ENOSYS),
            allow(),
        ];
        let missing = older::under(older_than_5_12, multi_tenant).unwrap_err();
        assert_eq!(missing.level, Level::MultiTenant);
        assert!(missing.remedy.contains("5.12"), "{missing}");
    }
}
