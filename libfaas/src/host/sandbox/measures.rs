//! What a sandbox does for the rules, one measure at a time, so that each can be left out.

use std::fmt;
use std::str::FromStr;

/// Something that a sandbox does for one rule.
///
/// A faulty runtime is a right one without one of these; nothing else has a use for leaving one out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Measure {
    /// `isolation-descriptors`. Without it, descriptor 3 leads to `/dev/null`.
    Descriptors,
    /// `isolation-blocking`. Without it, the function's ends have `O_NONBLOCK`.
    Blocking,
    /// `isolation-signals`. Without it, SIGPIPE is ignored and SIGUSR1 blocked.
    Signals,
    /// `isolation-session`. Without it, the function shares the host's session.
    Session,
    /// `isolation-umask`. Without it, the umask is 022.
    Umask,
    /// `isolation-no-new-privileges`.
    NoNewPrivileges,
    /// `isolation-no-core`. Without it, the limit is the host's hard limit.
    Core,
    /// `isolation-memory`.
    Memory,
    /// `isolation-pids`.
    Pids,
    /// `isolation-user`. Without it, all tenants share one user.
    User,
    /// `isolation-user`. Without it, that user is the superuser.
    Superuser,
    /// `isolation-capabilities`. Without it, the function keeps `CAP_NET_RAW` and `CAP_SYS_ADMIN`.
    Capabilities,
    /// `isolation-files`. Without it, the host's `/etc` and what lies beside the function's folder are shown.
    Files,
    /// `isolation-files`. Without it, the host's `/dev` is shown.
    Devices,
    /// `isolation-read-only`. Without it, the function's folder is writable.
    ReadOnly,
    /// `isolation-tmpdir`. Without it, `TMPDIR` is a folder that the tenant's instances share.
    Tmpdir,
    /// `isolation-tmpdir-removed`. Without it, what an instance left in its `TMPDIR` stays.
    TmpdirRemoved,
    /// `isolation-proc`. Without it, the function sees the host's `/proc`.
    Proc,
    /// `isolation-signal-others`. Without it, a function shares the host's PID namespace.
    Signal,
    /// `isolation-ipc`. Without it, the function shares the host's IPC namespace.
    Ipc,
    /// `isolation-system-calls`. Without it, no system call is filtered.
    SystemCalls,
    /// `isolation-cpu`.
    Cpu,
    /// `isolation-network-none`. Without it, the function shares the host's network and opens what it likes.
    NetworkNone,
    /// `isolation-network-listen`. Without it, a function with `outbound-tcp` may listen.
    Listen,
    /// `isolation-network-tcp-only`. Without it, a function with `outbound-tcp` may open any socket.
    TcpOnly,
    /// `isolation-network-private`. Without it, a function with `outbound-tcp` connects to any address.
    PrivateAddresses,
    /// `isolation-reaps`. Without it, ended processes stay as zombies.
    Reap,
    /// `death-session`. Without it, only the stages themselves are killed.
    Descendants,
}

impl Measure {
    /// All measures.
    pub const ALL: [Measure; 28] = [
        Measure::Descriptors,
        Measure::Blocking,
        Measure::Signals,
        Measure::Session,
        Measure::Umask,
        Measure::NoNewPrivileges,
        Measure::Core,
        Measure::Memory,
        Measure::Pids,
        Measure::User,
        Measure::Superuser,
        Measure::Capabilities,
        Measure::Files,
        Measure::Devices,
        Measure::ReadOnly,
        Measure::Tmpdir,
        Measure::TmpdirRemoved,
        Measure::Proc,
        Measure::Signal,
        Measure::Ipc,
        Measure::SystemCalls,
        Measure::Cpu,
        Measure::NetworkNone,
        Measure::Listen,
        Measure::TcpOnly,
        Measure::PrivateAddresses,
        Measure::Reap,
        Measure::Descendants,
    ];

    /// Its name, as in `--fault`.
    pub fn name(self) -> &'static str {
        match self {
            Measure::Descriptors => "descriptors",
            Measure::Blocking => "blocking",
            Measure::Signals => "signals",
            Measure::Session => "session",
            Measure::Umask => "umask",
            Measure::NoNewPrivileges => "no-new-privileges",
            Measure::Core => "core",
            Measure::Memory => "memory",
            Measure::Pids => "pids",
            Measure::User => "user",
            Measure::Superuser => "superuser",
            Measure::Capabilities => "capabilities",
            Measure::Files => "files",
            Measure::Devices => "devices",
            Measure::ReadOnly => "read-only",
            Measure::Tmpdir => "tmpdir",
            Measure::TmpdirRemoved => "tmpdir-removed",
            Measure::Proc => "proc",
            Measure::Signal => "signal",
            Measure::Ipc => "ipc",
            Measure::SystemCalls => "system-calls",
            Measure::Cpu => "cpu",
            Measure::NetworkNone => "network-none",
            Measure::Listen => "listen",
            Measure::TcpOnly => "tcp-only",
            Measure::PrivateAddresses => "private-addresses",
            Measure::Reap => "reap",
            Measure::Descendants => "descendants",
        }
    }
}

impl FromStr for Measure {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Measure::ALL
            .into_iter()
            .find(|measure| measure.name() == name);
        found
            .ok_or_else(|| format!("expected the name of a measure, such as `umask`, got `{name}`"))
    }
}

/// The measures that are taken: all, unless some are left out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Measures(u32);

impl Measures {
    /// The same without this one.
    #[must_use]
    pub fn without(self, measure: Measure) -> Measures {
        Measures(self.0 & !(1 << measure as u32))
    }

    /// Whether this one is taken.
    pub fn has(self, measure: Measure) -> bool {
        self.0 & (1 << measure as u32) != 0
    }
}

impl Default for Measures {
    fn default() -> Self {
        Measures(u32::MAX)
    }
}

impl fmt::Debug for Measures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing: Vec<_> = Measure::ALL
            .iter()
            .filter(|&&m| !self.has(m))
            .map(|m| m.name())
            .collect();
        match missing.is_empty() {
            true => f.write_str("all"),
            false => write!(f, "all without {}", missing.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_left_out_by_its_name() {
        for measure in Measure::ALL {
            assert_eq!(measure.name().parse(), Ok(measure));
            let measures = Measures::default().without(measure);
            let left: Vec<_> = Measure::ALL
                .into_iter()
                .filter(|&m| !measures.has(m))
                .collect();
            assert_eq!(left, [measure]);
        }
    }
}
