//! An HTTP endpoint for functions that somebody else deploys: what the driver's `fsi.driver.http`
//! opens.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use libfaas::host::Host;
use tokio::sync::watch;

use super::catalog::Catalog;
use super::connection::{Address, Bounds, Listener};
use super::cors::Cors;
use super::gateway::Gateway;
use crate::log::Log;

/// The functions of a host behind HTTP, on a port of 127.0.0.1 that the system chose.
pub struct Endpoint {
    address: Address,
    catalog: Arc<Catalog>,
    stop: watch::Sender<bool>,
}

impl Endpoint {
    /// Begins to listen. It has no functions yet: see [`url`](Self::url).
    ///
    /// # Errors
    ///
    /// What the system said.
    pub async fn open(host: Host, log: Log) -> io::Result<Endpoint> {
        let listener = Listener::bind(&Address::Tcp(([127, 0, 0, 1], 0).into())).await?;
        let address = listener.address().clone();
        let catalog = Catalog::on_demand(host, log);
        let (stop, closing) = watch::channel(false);
        let (_, ready) = watch::channel(true);
        let gateway = Gateway::new(
            Arc::clone(&catalog),
            Cors::default(),
            crate::fault::messages(),
            ready,
        );
        let gateway = Arc::new(gateway);
        let bounds = Bounds {
            connections: 1024,
            headers: Duration::from_secs(30),
            stalls: Duration::from_secs(30),
        };
        tokio::spawn(listener.serve(bounds, closing, move |request| {
            let gateway = Arc::clone(&gateway);
            async move { gateway.handle(request).await }
        }));
        Ok(Endpoint {
            address,
            catalog,
            stop,
        })
    }

    /// Where a function that the host has is called. To be asked again after an update, so that the
    /// triggers of the new manifest are those that count. None for a function that the host has not.
    pub fn url(&self, tenant: &str, name: &str) -> Option<String> {
        let known = self.catalog.adopt(tenant, name);
        known.then(|| format!("http://{}/{tenant}/{name}", self.address))
    }

    /// Listens no more, and finishes the requests that came.
    pub async fn close(&self) {
        self.stop.send_replace(true);
        // The listener and its connections have the other ends.
        self.stop.closed().await;
    }
}
