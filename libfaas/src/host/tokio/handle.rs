//! The host as its user sees it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::call::Call;
use super::function::{Counters, Function, not_found};
use super::options::HostOptions;
use crate::host::{Missing, Revision, Sandbox, State};
use crate::{Code, Context, Manifest, Status};

/// Runs functions of many tenants and calls them, many calls at once.
///
/// Cloning it gives another handle to the same host. When the last one is dropped, every function
/// is removed as by [`remove`](Self::remove), without anybody waiting for it; [`shutdown`](Self::shutdown)
/// waits.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use libfaas::host::{Host, Settings};
/// use libfaas::{Context, Event, Manifest};
///
/// let host = Host::new(Settings::default())?;
/// let manifest = Manifest::from_path("count/function.yaml")?;
/// host.deploy("acme", manifest, "count".into()).await?;
/// let event = Event::builder("1", "/shop", "order.placed").build()?;
/// let results = host.call("acme", "count", Context::default())?.unary(event).await?;
/// host.shutdown().await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Host {
    core: Arc<Core>,
    functions: Arc<Functions>,
}

/// What all functions of a host share.
pub(super) struct Core {
    pub(super) options: HostOptions,
    pub(super) runtime: tokio::runtime::Handle,
    /// What tells this host's names from those of the one that ran here before.
    epoch: u64,
    tickets: AtomicU64,
    revisions: AtomicU64,
    closing: AtomicBool,
}

/// The functions of a host by tenant and name, and those that were removed and are not gone yet.
#[derive(Default)]
struct Functions(Mutex<Table>);

#[derive(Default)]
struct Table {
    /// By tenant, then by name.
    known: HashMap<String, HashMap<String, Arc<Function>>>,
    leaving: Vec<Arc<Function>>,
}

/// What became of a manifest that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// Its `FAAS_REVISION`.
    pub revision: String,
    /// How its initialisation ended. Where that is not OK and the function had a revision that
    /// works, that one goes on serving calls (`revision-failed-keeps-old`).
    pub status: Status,
}

/// What there is to see of a function.
#[derive(Clone, Debug)]
pub struct FunctionState {
    /// Whose it is.
    pub tenant: String,
    /// Its name.
    pub name: String,
    /// The revision that gets new calls, and its manifest.
    pub revision: Arc<Revision>,
    /// Whether calls are served.
    pub state: State,
    /// Instances of all revisions, those that are being drained too.
    pub instances: usize,
    /// Calls that instances have.
    pub open: usize,
    /// Calls that wait for an instance.
    pub queued: usize,
    /// What has happened so far.
    pub counters: Counters,
}

impl Host {
    /// A host without functions. Its tasks run on the tokio runtime that this is called in, which
    /// needs its timer and its I/O driver.
    ///
    /// # Errors
    ///
    /// This machine can't keep the level of isolation that the settings ask for.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn new(options: impl Into<HostOptions>) -> Result<Host, Missing> {
        let options = options.into();
        Sandbox::probe(options.settings.level)?;
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let core = Core {
            options,
            runtime: tokio::runtime::Handle::current(),
            epoch: u64::try_from(since.as_millis()).unwrap_or_default(),
            tickets: AtomicU64::new(1),
            revisions: AtomicU64::new(1),
            closing: AtomicBool::new(false),
        };
        Ok(Host {
            core: Arc::new(core),
            functions: Arc::default(),
        })
    }

    /// How it is configured.
    pub fn options(&self) -> &HostOptions {
        &self.core.options
    }

    /// Creates the tenant's function of this name, or updates it: the new revision takes over when
    /// it is ready, and the one before it is drained as its calls end. Waits until the new one is
    /// ready or has failed. `folder` is the one that holds the manifest.
    ///
    /// # Errors
    ///
    /// The manifest is refused, and nothing has changed. An initialisation that fails is no error
    /// here: see [`Deployed::status`].
    pub async fn deploy(
        &self,
        tenant: &str,
        manifest: Manifest,
        folder: PathBuf,
    ) -> Result<Deployed, Status> {
        let core = &self.core;
        if core.closing.load(Ordering::Acquire) {
            return Err(shutting_down());
        }
        let number = core.revisions.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:x}-{number}", core.epoch);
        let name = manifest.name.clone();
        let revision = Revision::new(manifest, folder, tenant, id.clone(), &core.options.settings)?;
        let mut outcome = {
            let mut table = self.functions.table();
            // Who shuts down says so first, and then removes what is known.
            if core.closing.load(Ordering::Acquire) {
                return Err(shutting_down());
            }
            let tenants = table.known.entry(tenant.to_owned()).or_default();
            tenants
                .entry(name.clone())
                .or_insert_with(|| Function::new(core, tenant, &name))
                .deploy(revision)?
        };
        let known = outcome.wait_for(Option::is_some).await;
        let status = match known.as_deref() {
            Ok(Some(Ok(()))) => Status::ok(),
            Ok(Some(Err(status))) => status.clone(),
            _ => Status::new(Code::Aborted, "the function was removed"),
        };
        Ok(Deployed {
            revision: id,
            status,
        })
    }

    /// Removes a function: calls that come from now on are not found, those that were accepted are
    /// served, then its instances are drained. Waits until it is gone.
    ///
    /// # Errors
    ///
    /// NOT_FOUND.
    pub async fn remove(&self, tenant: &str, name: &str) -> Result<(), Status> {
        let function = {
            let mut table = self.functions.table();
            let tenants = table.known.get_mut(tenant);
            let removed = tenants.and_then(|tenants| tenants.remove(name));
            table.known.retain(|_, tenants| !tenants.is_empty());
            let function = removed.ok_or_else(|| not_found(tenant, name))?;
            function.remove();
            table.forget_gone();
            table.leaving.push(Arc::clone(&function));
            function
        };
        function.gone().await;
        self.functions.forget(&function);
        Ok(())
    }

    /// Calls a function. The call may wait for an instance. The host fills in an `invocationId`,
    /// and lowers the deadline to that of the function's time limit.
    ///
    /// # Errors
    ///
    /// The call was not accepted: NOT_FOUND; the status of an initialisation that has failed;
    /// RESOURCE_EXHAUSTED with `retry-after-ms` where too many calls wait; DEADLINE_EXCEEDED where
    /// the deadline has passed; INVALID_ARGUMENT for a context that [`Context::validate`] rejects.
    pub fn call(&self, tenant: &str, name: &str, mut context: Context) -> Result<Call, Status> {
        let core = &self.core;
        if core.closing.load(Ordering::Acquire) {
            return Err(shutting_down());
        }
        let ticket = core.tickets.fetch_add(1, Ordering::Relaxed);
        if context.invocation_id.is_empty() {
            context.invocation_id = core.invocation_id(ticket);
        }
        context.attempt = context.attempt.max(1);
        let function = self
            .function(tenant, name)
            .ok_or_else(|| not_found(tenant, name));
        let accepted = function.and_then(|function| function.accept(ticket, context));
        // Every function is removed then.
        accepted.map_err(|status| match core.closing.load(Ordering::Acquire) {
            true => shutting_down(),
            false => status,
        })
    }

    /// A function, if the tenant has one of this name.
    pub fn look(&self, tenant: &str, name: &str) -> Option<FunctionState> {
        self.function(tenant, name)?.look()
    }

    /// All functions, by tenant and name; those too that were removed and are being drained.
    pub fn functions(&self) -> Vec<FunctionState> {
        let mut table = self.functions.table();
        table.forget_gone();
        let known = table.known.values().flat_map(HashMap::values);
        let all = known.chain(&table.leaving);
        let mut all: Vec<FunctionState> = all.filter_map(|function| function.look()).collect();
        all.sort_by(|a, b| (&a.tenant, &a.name).cmp(&(&b.tenant, &b.name)));
        all
    }

    /// Takes no further calls, serves those that were accepted, drains every instance, and waits
    /// until nothing is left.
    pub async fn shutdown(&self) {
        self.core.closing.store(true, Ordering::Release);
        loop {
            let function = {
                let mut table = self.functions.table();
                table.leave();
                match table.leaving.first() {
                    Some(function) => Arc::clone(function),
                    None => return,
                }
            };
            function.gone().await;
            self.functions.forget(&function);
        }
    }

    fn function(&self, tenant: &str, name: &str) -> Option<Arc<Function>> {
        let table = self.functions.table();
        table.known.get(tenant)?.get(name).cloned()
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

impl Core {
    /// `{epoch:x}-{ticket:x}`, which every call has: formatting would take longer than all else that
    /// is done to accept one.
    fn invocation_id(&self, ticket: u64) -> String {
        let mut id = String::with_capacity(33);
        push_hex(&mut id, self.epoch);
        id.push('-');
        push_hex(&mut id, ticket);
        id
    }
}

fn push_hex(text: &mut String, number: u64) {
    let digits = (64 - number.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        let digit = (number >> (4 * place)) & 0xf;
        text.push(char::from(b"0123456789abcdef"[digit as usize]));
    }
}

impl Functions {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, gone: &Arc<Function>) {
        self.table()
            .leaving
            .retain(|function| !Arc::ptr_eq(function, gone));
    }
}

impl Table {
    /// Forgets functions that are gone, for whose removal nobody has waited to the end.
    fn forget_gone(&mut self) {
        self.leaving.retain(|function| !function.is_gone());
    }

    /// Removes every function.
    fn leave(&mut self) {
        for (_, function) in self.known.drain().flat_map(|(_, tenants)| tenants) {
            function.remove();
            self.leaving.push(function);
        }
    }
}

impl Drop for Functions {
    fn drop(&mut self) {
        self.table().leave();
    }
}

fn shutting_down() -> Status {
    Status::new(Code::Unavailable, "the host is shutting down")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_formatter_does() {
        for number in [0, 1, 15, 16, 0xabc, 1 << 32, u64::MAX] {
            let mut text = String::new();
            push_hex(&mut text, number);
            assert_eq!(text, format!("{number:x}"));
        }
    }
}
