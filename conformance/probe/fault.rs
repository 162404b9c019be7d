//! The one defect that this process has, if any.

use std::sync::OnceLock;

use faas_conformance::fault::{Fault, PROBE};

static ACTIVE: OnceLock<&'static Fault> = OnceLock::new();

/// Whether the process has the named defect. A name that is in no list does not compile.
macro_rules! fault {
    ($name:literal) => {{
        const { assert!($crate::fault::is_listed($name), "no such fault") }
        $crate::fault::is_active($name)
    }};
}
pub(crate) use fault;

/// Gives the process a defect, once, before anything runs.
pub(crate) fn activate(name: &str) -> Result<(), String> {
    let fault = PROBE.iter().find(|fault| fault.name == name);
    let fault =
        fault.ok_or_else(|| format!("no fault is named `{name}`; --list-faults shows them"))?;
    ACTIVE
        .set(fault)
        .map_err(|_| "one fault at a time".to_owned())
}

pub(crate) fn is_active(name: &str) -> bool {
    ACTIVE.get().is_some_and(|fault| fault.name == name)
}

/// The rule whose breach by the input is overlooked.
pub(crate) fn accepted_rule() -> Option<&'static str> {
    ACTIVE.get()?.name.strip_prefix("accepts-")
}

pub(crate) const fn is_listed(name: &str) -> bool {
    let mut at = 0;
    while at < PROBE.len() {
        if equal(PROBE[at].name.as_bytes(), name.as_bytes()) {
            return true;
        }
        at += 1;
    }
    false
}

const fn equal(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}
