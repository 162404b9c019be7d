//! Runtimes whose sandboxes leave something out and claim the level all the same.

use libfaas::host::Measure;

use super::Does::{Command, Measures};
use super::process::escape;
use super::{Fault, hygiene, multi_tenant};

// A fault a line, so that the list can be read as a table.
#[rustfmt::skip]
pub(super) const FAULTS: &[Fault] = &[
    hygiene("fd-leaked", &[Measures(&[Measure::Descriptors])]),
    hygiene("stdio-nonblocking", &[Measures(&[Measure::Blocking])]),
    hygiene("session-shared", &[Measures(&[Measure::Session])]),
    hygiene("umask-inherited", &[Measures(&[Measure::Umask])]),
    hygiene("privileges-gainable", &[Measures(&[Measure::NoNewPrivileges])]),
    multi_tenant("set-uid-honoured", &[Measures(&[Measure::NoNewPrivileges, Measure::Files])]),
    hygiene("memory-unlimited", &[Measures(&[Measure::Memory])]),
    hygiene("pids-unlimited", &[Measures(&[Measure::Pids])]),
    hygiene("zombies", &[Measures(&[Measure::Reap])]),
    hygiene("session-left", &[Measures(&[Measure::Descendants]), Command(escape)]),
    multi_tenant("user-root", &[Measures(&[Measure::Superuser])]),
    multi_tenant("tenants-one-user", &[Measures(&[Measure::User])]),
    multi_tenant("capabilities-kept", &[Measures(&[Measure::Capabilities])]),
    multi_tenant("files-visible", &[Measures(&[Measure::Files])]),
    multi_tenant("devices-visible", &[Measures(&[Measure::Devices])]),
    multi_tenant("files-writable", &[Measures(&[Measure::ReadOnly])]),
    multi_tenant("tmpdir-shared", &[Measures(&[Measure::Tmpdir])]),
    multi_tenant("processes-visible", &[Measures(&[Measure::Proc])]),
    multi_tenant("signals-allowed", &[Measures(&[Measure::Signal, Measure::Superuser])]),
    multi_tenant("ipc-shared", &[Measures(&[Measure::Ipc, Measure::NetworkNone])]),
    multi_tenant("seccomp-missing", &[Measures(&[Measure::SystemCalls])]),
    multi_tenant("system-calls-powerful", &[Measures(&[Measure::SystemCalls, Measure::Capabilities])]),
    multi_tenant("cpu-unlimited", &[Measures(&[Measure::Cpu])]),
    multi_tenant("network-shared", &[Measures(&[Measure::NetworkNone])]),
    multi_tenant("raw-sockets", &[Measures(&[Measure::NetworkNone, Measure::Capabilities])]),
    multi_tenant("network-private-open", &[Measures(&[Measure::PrivateAddresses])]),
    multi_tenant("outbound-is-all", &[Measures(&[Measure::TcpOnly, Measure::Listen])]),
];
