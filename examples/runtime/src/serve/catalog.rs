//! The functions that are served: what a host runs, and what sets it off.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use jiff::Timestamp;
use libfaas::host::{Deployed, Host, State};
use libfaas::{Code, Context, Event, Filter, Manifest, Status, Trigger};
use tokio::task::AbortHandle;

use super::account::Account;
use super::layout::is_tenant;
use super::metrics::Metrics;
use super::route::{Found, Routes};
use super::schedule::Schedule;
use crate::log::{Log, Record, Severity};

/// The functions that are served. What a function is set off by follows the revision that gets its
/// calls.
pub struct Catalog {
    host: Host,
    log: Log,
    metrics: Metrics,
    served: RwLock<Served>,
    /// Whether schedules set functions off.
    schedules: bool,
    /// One deployment of a function at a time, so that the last one asked for is the one that stays.
    turns: Mutex<BTreeMap<Key, Arc<tokio::sync::Mutex<()>>>>,
}

/// Tenant and name.
type Key = (String, String);

#[derive(Default)]
struct Served {
    routes: Routes,
    others: BTreeMap<Key, Others>,
}

/// Triggers that no request is routed by.
#[derive(Default)]
struct Others {
    /// An event has to pass all of one of these.
    events: Vec<Vec<Filter>>,
    schedules: Vec<Running>,
}

/// A schedule that waits for its time; it ends with this.
struct Running(AbortHandle);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// This function.
    Function {
        /// Whose it is.
        tenant: String,
        /// Its name.
        name: String,
    },
    /// Whatever functions of this tenant the event is for.
    Tenant(String),
    /// A route that has only these methods.
    Methods(Vec<String>),
    /// No route.
    Nothing,
}

impl Catalog {
    /// Serves the functions of a host.
    pub fn new(host: Host, log: Log, metrics: Metrics) -> Arc<Catalog> {
        Arc::new(Catalog {
            host,
            log,
            metrics,
            served: RwLock::default(),
            schedules: true,
            turns: Mutex::default(),
        })
    }

    /// Serves the functions of a host to those who ask: no schedule sets them off.
    pub fn on_demand(host: Host, log: Log) -> Arc<Catalog> {
        Arc::new(Catalog {
            host,
            log,
            metrics: Metrics::default(),
            served: RwLock::default(),
            schedules: false,
            turns: Mutex::default(),
        })
    }

    /// What runs the functions.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// What was measured.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Where records go.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Creates or updates the tenant's function of this manifest. What was begun is done to its end
    /// if nobody waits for that: the triggers that are served have to be those of the revision.
    ///
    /// # Errors
    ///
    /// The manifest is refused; a function that was there goes on as it was.
    pub async fn deploy(
        self: &Arc<Self>,
        tenant: &str,
        manifest: Manifest,
        folder: &Path,
    ) -> Result<Deployed, Status> {
        let (catalog, tenant, folder) = (Arc::clone(self), tenant.to_owned(), folder.to_owned());
        let done = tokio::spawn(async move { catalog.in_turn(&tenant, manifest, &folder).await });
        done.await.unwrap_or_else(|fault| {
            let message = format!("the deployment did not end: {fault}");
            Err(Status::new(Code::Internal, message))
        })
    }

    async fn in_turn(
        self: &Arc<Self>,
        tenant: &str,
        manifest: Manifest,
        folder: &Path,
    ) -> Result<Deployed, Status> {
        let name = manifest.name.clone();
        let turn = self.turn(tenant, &name);
        let _turn = turn.lock().await;
        let deployed = self.place(tenant, manifest, folder).await;
        let record = match &deployed {
            Ok(Deployed { revision, status }) if status.is_ok() => {
                Record::new(Severity::Info, "deployed").with("revision", revision.as_str())
            }
            Ok(Deployed { revision, status }) => {
                Record::new(Severity::Error, "failed to initialise")
                    .with("revision", revision.as_str())
                    .with("status", status.to_string())
            }
            Err(status) => {
                Record::new(Severity::Error, "refused").with("status", status.to_string())
            }
        };
        self.log.put(&record.function(tenant, &name));
        deployed
    }

    async fn place(
        self: &Arc<Self>,
        tenant: &str,
        manifest: Manifest,
        folder: &Path,
    ) -> Result<Deployed, Status> {
        if !is_tenant(tenant) {
            let message = format!("expected a tenant of 1 to 63 of a-z, 0-9 and -, got {tenant:?}");
            return Err(Status::new(Code::InvalidArgument, message));
        }
        check_triggers(&manifest)?;
        let name = manifest.name.clone();
        let new = self.host.look(tenant, &name).is_none();
        {
            let mut served = self.served_mut();
            let conflict = served.routes.check(tenant, &manifest);
            conflict.map_err(|taken| Status::new(Code::FailedPrecondition, taken.to_string()))?;
            if new {
                // Calls wait for a function that is initialising, and they have to find it for that.
                served.routes.put(tenant, &manifest);
            }
        }
        let folder = folder.to_owned();
        let deployed = self.host.deploy(tenant, manifest, folder).await;
        if !self.adopt(tenant, &name) {
            self.forget(tenant, &name);
        }
        deployed
    }

    /// Serves what the host has under this name now; false if it has nothing.
    pub fn adopt(self: &Arc<Self>, tenant: &str, name: &str) -> bool {
        let Some(state) = self.host.look(tenant, name) else {
            return false;
        };
        let manifest = &state.revision.manifest;
        let mut others = Others::default();
        for trigger in &manifest.triggers {
            match trigger {
                Trigger::Events { filters } => others.events.push(filters.clone()),
                // It was read before the manifest was accepted.
                Trigger::Schedule { cron } if self.schedules => {
                    if let Ok(schedule) = Schedule::new(cron) {
                        others.schedules.push(self.start(tenant, name, schedule));
                    }
                }
                Trigger::Http { .. } | Trigger::Schedule { .. } | Trigger::Queue { .. } => {}
            }
        }
        let mut served = self.served_mut();
        served.routes.put(tenant, manifest);
        served
            .others
            .insert((tenant.to_owned(), name.to_owned()), others);
        true
    }

    /// Removes a function: calls that come from now on are not found, those that came are served.
    /// Waits until it is gone.
    ///
    /// # Errors
    ///
    /// NOT_FOUND.
    pub async fn remove(&self, tenant: &str, name: &str) -> Result<(), Status> {
        let turn = self.turn(tenant, name);
        let _turn = turn.lock().await;
        self.forget(tenant, name);
        self.host.remove(tenant, name).await?;
        let record = Record::new(Severity::Info, "removed").function(tenant, name);
        self.log.put(&record);
        Ok(())
    }

    /// What a request is for.
    pub fn find(&self, method: &str, path: &str) -> Target {
        let served = self.served.read().unwrap_or_else(PoisonError::into_inner);
        match served.routes.find(method, path) {
            Found::Function { tenant, name } => Target::Function {
                tenant: tenant.to_owned(),
                name: name.to_owned(),
            },
            Found::Tenant(tenant) => Target::Tenant(tenant.to_owned()),
            Found::Methods(methods) => {
                Target::Methods(methods.into_iter().map(str::to_owned).collect())
            }
            Found::Nothing => Target::Nothing,
        }
    }

    /// The tenant's functions that have triggers for some of these events, each with those events.
    pub fn wanting(&self, tenant: &str, events: &[Event]) -> Vec<(String, Vec<Event>)> {
        let served = self.served.read().unwrap_or_else(PoisonError::into_inner);
        let own = served
            .others
            .iter()
            .filter(|((owner, _), _)| owner == tenant);
        let wanted = own.map(|((_, name), others)| {
            let passes = |event: &&Event| {
                let mut triggers = others.events.iter();
                triggers.any(|filters| filters.iter().all(|filter| filter.passes(event)))
            };
            (
                name.clone(),
                events.iter().filter(passes).cloned().collect(),
            )
        });
        wanted
            .filter(|(_, events): &(_, Vec<_>)| !events.is_empty())
            .collect()
    }

    /// Calls a function with one or several events, and accounts for the call. Dropped before it is
    /// done, it cancels the call.
    ///
    /// # Errors
    ///
    /// What the call ended with, other than OK.
    pub async fn call(
        &self,
        tenant: &str,
        name: &str,
        context: Context,
        events: Vec<Event>,
    ) -> Result<Vec<Event>, Status> {
        let account = Account::open(&self.log, &self.metrics, tenant, name, &context);
        let ended = super::invoke::invoke(&self.host, tenant, name, context, events).await;
        account.close(&ended);
        ended
    }

    /// Starts no more calls of its own.
    pub fn stop(&self) {
        for others in self.served_mut().others.values_mut() {
            others.schedules.clear();
        }
    }

    fn start(self: &Arc<Self>, tenant: &str, name: &str, schedule: Schedule) -> Running {
        // It does not keep the catalogue that keeps it.
        let catalog = Arc::downgrade(self);
        let (tenant, name) = (tenant.to_owned(), name.to_owned());
        let source = format!("/{tenant}/{name}");
        let task = tokio::spawn(async move {
            let fire = |due| {
                let Some(catalog) = catalog.upgrade() else {
                    return;
                };
                let id = super::invoke::new_id();
                let event = schedule.event(&id, &source, due);
                let context = Context {
                    invocation_id: id,
                    ..Context::default()
                };
                let (tenant, name) = (tenant.clone(), name.clone());
                // Its results have no caller to go to; how it ended is in the log.
                tokio::spawn(async move {
                    let _ = catalog.call(&tenant, &name, context, vec![event]).await;
                });
            };
            schedule.run(Timestamp::now, fire).await;
        });
        Running(task.abort_handle())
    }

    fn forget(&self, tenant: &str, name: &str) {
        let mut served = self.served_mut();
        served.routes.remove(tenant, name);
        served.others.remove(&(tenant.to_owned(), name.to_owned()));
    }

    fn turn(&self, tenant: &str, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody else has the turns that only this table has.
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(
            turns
                .entry((tenant.to_owned(), name.to_owned()))
                .or_default(),
        )
    }

    fn served_mut(&self) -> std::sync::RwLockWriteGuard<'_, Served> {
        self.served.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refuses triggers that would never fire here (`manifest-trigger-unsupported`).
fn check_triggers(manifest: &Manifest) -> Result<(), Status> {
    for trigger in &manifest.triggers {
        match trigger {
            Trigger::Queue { topic } => {
                let message = format!(
                    "triggers: expected http, events or schedule, got queue (topic {topic:?}), which this \
                     runtime does not offer (rule manifest-trigger-unsupported)"
                );
                return Err(Status::new(Code::FailedPrecondition, message));
            }
            Trigger::Schedule { cron } => {
                Schedule::new(cron)
                    .map_err(|fault| Status::new(Code::InvalidArgument, fault.to_string()))?;
            }
            Trigger::Http { .. } | Trigger::Events { .. } => {}
        }
    }
    Ok(())
}

/// The name of a state.
pub fn state_name(state: &State) -> &'static str {
    match state {
        State::Initializing => "initializing",
        State::Ready => "ready",
        State::Failed(_) => "failed",
        State::Removed => "removed",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use libfaas::host::Settings;

    use super::*;
    use crate::log::Form;

    fn manifest(text: &str) -> Manifest {
        Manifest::from_yaml(&format!("{{fsi: '1.0', name: f, {text}}}")).unwrap()
    }

    /// An administrator may hang up before the new revision is ready.
    #[tokio::test]
    async fn a_deployment_that_nobody_waits_for_is_done_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::new(Settings::default()).unwrap();
        let log = Log::new(Form::Json, std::io::sink());
        let catalog = Catalog::new(host.clone(), log, Metrics::default());
        let first = manifest("command: [cat], modes: [binary]");
        let deployed = catalog.deploy("acme", first, folder.path()).await.unwrap();
        let second = manifest(
            "command: [sh, -c, 'while [ ! -e go ]; do sleep 0.02; done; exec cat'], modes: [stream], \
             triggers: [{http: {path: /x, methods: [GET]}}, {events: {filters: []}}]",
        );
        let wait = Duration::from_millis(50);
        let waited =
            tokio::time::timeout(wait, catalog.deploy("acme", second, folder.path())).await;
        assert!(waited.is_err(), "it is not ready yet");
        std::fs::write(folder.path().join("go"), "").unwrap();
        let event = Event::builder("1", "/s", "t").build().unwrap();
        let settled = async {
            let revision = || host.look("acme", "f").unwrap().revision.id.clone();
            while revision() == deployed.revision
                || catalog.find("GET", "/acme/x") == Target::Nothing
                || catalog
                    .wanting("acme", std::slice::from_ref(&event))
                    .is_empty()
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let settled = tokio::time::timeout(Duration::from_secs(60), settled).await;
        assert!(
            settled.is_ok(),
            "the new revision serves calls, but not those of its triggers"
        );
        host.shutdown().await;
    }
}
