//! The driver: a function for each tenant that calls name, and events that are for the driver itself.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use libfaas::function::{Call, result};
use libfaas::host::{self, Host, Times};
use libfaas::{Code, Context, Event, EventBuilder, Manifest, Status};
use serde_json::json;
use tokio::sync::OnceCell;

use super::load;
use crate::host_args::Claim;
use crate::log::Log;
use crate::serve::endpoint::Endpoint;

/// What the types of events for the driver begin with.
const PREFIX: &str = "fsi.driver.";

/// The profiles that the runtime claims through this driver (spec/conformance.md).
const PROFILES: [&str; 9] = [
    "chunks",
    "context",
    "http",
    "lifecycle",
    "operator",
    "pipeline",
    "retry",
    "streaming",
    "tenants",
];

/// A host, and the function that calls are for.
pub(super) struct Driver {
    host: Host,
    tenant: String,
    name: String,
    /// What tenants get that come from now on.
    latest: Mutex<(Manifest, PathBuf)>,
    /// Tenants that have the function, or had it.
    tenants: Mutex<HashMap<String, Arc<OnceCell<()>>>>,
    /// Open once somebody has asked for it.
    http: OnceCell<Endpoint>,
    log: Log,
}

impl Driver {
    pub(super) fn new(
        host: Host,
        tenant: String,
        manifest: Manifest,
        folder: PathBuf,
        log: Log,
    ) -> Self {
        Driver {
            host,
            tenant,
            name: manifest.name.clone(),
            latest: Mutex::new((manifest, folder)),
            tenants: Mutex::default(),
            http: OnceCell::new(),
            log,
        }
    }

    /// Deploys the function for the tenant of calls that name none.
    pub(super) async fn begin(&self) -> Result<(), Status> {
        let (manifest, folder) = self.latest();
        let deployed = self.host.deploy(&self.tenant, manifest, folder).await?;
        self.cell(&self.tenant).set(()).ok();
        match deployed.status {
            status if status.is_ok() => Ok(()),
            status => Err(status),
        }
    }

    /// What the driver claims, in the details of its hello.
    pub(super) fn details(&self, claim: &Claim) -> BTreeMap<String, String> {
        let settings = &self.host.options().settings;
        let encodings: Vec<&str> = settings.encodings.iter().map(|one| one.name()).collect();
        let mut details = BTreeMap::from([
            ("profiles".to_owned(), PROFILES.join(",")),
            ("isolation".to_owned(), claim.name().to_owned()),
            ("means".to_owned(), claim.means.0.clone()),
            ("encodings".to_owned(), encodings.join(",")),
        ]);
        let (times, usual) = (claim.times, Times::default());
        for (name, time, usual) in [
            ("init-ms", times.init, usual.init),
            ("cancel-grace-ms", times.cancel_grace, usual.cancel_grace),
            ("drain-ms", times.drain, usual.drain),
            ("sigterm-grace-ms", times.term_grace, usual.term_grace),
        ] {
            if time != usual {
                details.insert(name.to_owned(), time.as_millis().to_string());
            }
        }
        details
    }

    /// Calls the function of the tenant that the context names.
    pub(super) async fn call(&self, context: Context) -> Result<host::Call, Status> {
        let tenant = self.tenant_of(&context).to_owned();
        self.deploy_once(&tenant).await?;
        self.host.call(&tenant, &self.name, context)
    }

    /// Sees to it that the tenant has the function, or had it.
    async fn deploy_once(&self, tenant: &str) -> Result<(), Status> {
        let deploy = async || {
            let (manifest, folder) = self.latest();
            // An initialisation that fails is what the calls will end with.
            self.host.deploy(tenant, manifest, folder).await.map(drop)
        };
        self.cell(tenant).get_or_try_init(deploy).await.map(drop)
    }

    /// Ends every function; calls that were accepted are served first.
    pub(super) async fn shutdown(&self) {
        if let Some(endpoint) = self.http.get() {
            endpoint.close().await;
        }
        self.host.shutdown().await;
    }

    /// Whether an event is for the driver and not for the function.
    pub(super) fn is_for_driver(event: &Event) -> bool {
        event.ty().starts_with(PREFIX)
    }

    /// Does what an event for the driver asks for.
    pub(super) async fn command(&self, call: &mut Call, event: &Event) -> Result<(), Status> {
        let tenant = self.tenant_of(call.context()).to_owned();
        match event.ty().strip_prefix(PREFIX) {
            Some("update") => {
                let answer = self.update(&tenant, event).await?;
                call.emit_last(answer)
            }
            Some("remove") => {
                self.host.remove(&tenant, &self.name).await?;
                call.emit_last(result("/fsi/driver", "fsi.driver.removed").json(&json!({})))
            }
            Some("http") => {
                let answer = self.http(&tenant).await?;
                call.emit_last(answer)
            }
            _ => {
                let message = format!("this driver does not know {}", event.ty());
                Err(Status::new(Code::Unimplemented, message))
            }
        }
    }

    async fn update(&self, tenant: &str, event: &Event) -> Result<EventBuilder, Status> {
        let data = event.data().map_or(&b"null"[..], |data| data.as_bytes());
        let data: serde_json::Value = serde_json::from_slice(data).unwrap_or_default();
        let Some(path) = data["manifest"].as_str() else {
            let message = format!("expected data {{\"manifest\": PATH}}, got {data}");
            return Err(Status::new(Code::InvalidArgument, message));
        };
        let (manifest, folder) = self.load_update(Path::new(path))?;
        let latest = (manifest.clone(), folder.clone());
        let deployed = self.host.deploy(tenant, manifest, folder).await?;
        self.cell(tenant).set(()).ok();
        if let Some(endpoint) = self.http.get() {
            endpoint.url(tenant, &self.name);
        }
        let ready = deployed.status.is_ok();
        if ready {
            *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = latest;
        }
        let state = if ready { "ready" } else { "failed" };
        let data = json!({"state": state, "revision": deployed.revision});
        Ok(result("/fsi/driver", "fsi.driver.updated").json(&data))
    }

    async fn http(&self, tenant: &str) -> Result<EventBuilder, Status> {
        self.deploy_once(tenant).await?;
        let open = async || Endpoint::open(self.host.clone(), self.log.clone()).await;
        let endpoint = self.http.get_or_try_init(open).await.map_err(|error| {
            let message = format!("listening on 127.0.0.1: {error}");
            Status::new(Code::Unavailable, message)
        })?;
        let url = endpoint.url(tenant, &self.name).ok_or_else(|| {
            let message = format!("{tenant}/{} was removed", self.name);
            Status::new(Code::NotFound, message)
        })?;
        let data = serde_json::json!({"url": url});
        Ok(result("/fsi/driver", "fsi.driver.http").json(&data))
    }

    fn load_update(&self, path: &Path) -> Result<(Manifest, PathBuf), Status> {
        let (manifest, folder) = load(path)?;
        if manifest.name == self.name {
            return Ok((manifest, folder));
        }
        let message = format!(
            "{}: expected the name {}, got {}; an update keeps the function's name",
            path.display(),
            self.name,
            manifest.name
        );
        Err(Status::new(Code::InvalidArgument, message))
    }

    fn tenant_of<'a>(&'a self, context: &'a Context) -> &'a str {
        context
            .extra
            .get("TENANT")
            .map_or(&self.tenant, String::as_str)
    }

    fn latest(&self) -> (Manifest, PathBuf) {
        self.latest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn cell(&self, tenant: &str) -> Arc<OnceCell<()>> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(tenants.entry(tenant.to_owned()).or_default())
    }
}
