//! Functions on disk, and the catalogue that follows them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libfaas::{Manifest, ManifestError};
use tokio::task::JoinSet;

use super::catalog::Catalog;
use super::layout::{Misplaced, Place, find, fingerprint};
use crate::log::{Record, Severity};

/// Functions that are started at the same time; others wait, so that none runs out of its time to
/// initialise because of the others.
const AT_ONCE: usize = 8;

/// The files and folders that functions are served from.
pub struct Files {
    sources: Vec<PathBuf>,
    tenant: String,
    known: BTreeMap<Place, Known>,
    /// What was said to be wrong with files that are as they were.
    complaints: BTreeSet<String>,
}

/// A manifest as it was when it was last looked at.
#[derive(Clone, Debug)]
struct Known {
    fingerprint: Option<u64>,
    /// The function that it made, if it made one.
    name: Option<String>,
}

/// A manifest as it is now.
struct Seen {
    place: Place,
    fingerprint: io::Result<u64>,
    manifest: Result<Manifest, ManifestError>,
}

impl Files {
    /// Serves functions from files and folders; those in no tenant's folder belong to `tenant`.
    pub fn new(sources: Vec<PathBuf>, tenant: String) -> Self {
        Files {
            sources,
            tenant,
            known: BTreeMap::new(),
            complaints: BTreeSet::new(),
        }
    }

    /// Deploys what is new or has changed and removes what is gone. What is wrong is logged, and
    /// what was served before goes on.
    pub async fn sync(&mut self, catalog: &Arc<Catalog>) {
        let (sources, tenant) = (self.sources.clone(), self.tenant.clone());
        let looked = tokio::task::spawn_blocking(move || look(&sources, &tenant)).await;
        let Ok((seen, misplaced)) = looked else {
            return;
        };
        let mut wrong: BTreeSet<_> = misplaced.iter().map(ToString::to_string).collect();
        let places: BTreeSet<_> = seen.iter().map(|seen| seen.place.clone()).collect();
        let mut owners: BTreeMap<(String, String), PathBuf> = BTreeMap::new();
        let mut deployments = JoinSet::new();
        for Seen {
            place,
            fingerprint,
            manifest,
        } in seen
        {
            let manifest = match manifest {
                Ok(manifest) => manifest,
                Err(fault) => {
                    wrong.insert(fault.to_string());
                    continue;
                }
            };
            let key = (place.tenant.clone(), manifest.name.clone());
            if let Some(owner) = owners.get(&key) {
                wrong.insert(format!(
                    "{}: expected a name of its own for each function of the tenant {}, got {}, which is the \
                     one in {}",
                    place.manifest.display(), key.0, key.1, owner.display()
                ));
                continue;
            }
            owners.insert(key, place.manifest.clone());
            let fingerprint = fingerprint.ok();
            let before = self.known.get(&place);
            let name = before.and_then(|known| known.name.clone());
            if before.is_some_and(|known| {
                known.fingerprint.is_some() && known.fingerprint == fingerprint
            }) {
                continue;
            }
            self.known
                .insert(place.clone(), Known { fingerprint, name });
            while deployments.len() >= AT_ONCE {
                self.deployed(deployments.join_next().await, catalog).await;
            }
            let catalog = Arc::clone(catalog);
            deployments.spawn(async move {
                let name = manifest.name.clone();
                let folder = folder(&place.manifest);
                let deployed = catalog.deploy(&place.tenant, manifest, &folder).await;
                (place, deployed.is_ok().then_some(name))
            });
        }
        while !deployments.is_empty() {
            self.deployed(deployments.join_next().await, catalog).await;
        }
        let gone: Vec<_> = self
            .known
            .keys()
            .filter(|place| !places.contains(place))
            .filter(|place| !misplaced.iter().any(|wrong| wrong.hides(place)))
            .cloned()
            .collect();
        for place in gone {
            if let Some(Known {
                name: Some(name), ..
            }) = self.known.remove(&place)
            {
                self.remove(&place, &name, catalog);
            }
        }
        for complaint in wrong.difference(&self.complaints) {
            catalog
                .log()
                .put(&Record::new(Severity::Error, complaint.as_str()));
        }
        self.complaints = wrong;
    }

    /// Notes what a deployment made, and removes what the same manifest made under another name.
    async fn deployed(
        &mut self,
        done: Option<Result<(Place, Option<String>), tokio::task::JoinError>>,
        catalog: &Arc<Catalog>,
    ) {
        let Some(Ok((place, Some(name)))) = done else {
            return;
        };
        let Some(known) = self.known.get_mut(&place) else {
            return;
        };
        let before = known.name.replace(name.clone());
        if let Some(before) = before.filter(|before| *before != name) {
            self.remove(&place, &before, catalog);
        }
    }

    /// Removes a function, unless another manifest makes it now. Its draining is not waited for.
    fn remove(&self, place: &Place, name: &str, catalog: &Arc<Catalog>) {
        let moved = self.known.iter().any(|(other, known)| {
            other.tenant == place.tenant && known.name.as_deref() == Some(name)
        });
        if !moved {
            let (catalog, tenant, name) =
                (Arc::clone(catalog), place.tenant.clone(), name.to_owned());
            tokio::spawn(async move {
                // It may have been removed by the admin API already.
                let _ = catalog.remove(&tenant, &name).await;
            });
        }
    }
}

/// What is on disk, and what is wrong with it.
fn look(sources: &[PathBuf], tenant: &str) -> (Vec<Seen>, Vec<Misplaced>) {
    let (places, wrong) = find(sources, tenant);
    let seen = places.into_iter().map(|place| Seen {
        // Taken before the manifest is read: what changes later is seen the next time.
        fingerprint: fingerprint(&folder(&place.manifest)),
        manifest: Manifest::from_path(&place.manifest),
        place,
    });
    (seen.collect(), wrong)
}

/// The folder that a manifest is in.
pub fn folder(manifest: &Path) -> PathBuf {
    let parent = manifest
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let folder = parent.unwrap_or(Path::new("."));
    // The host may start processes from elsewhere.
    std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use libfaas::host::{Host, Settings};

    use super::*;
    use crate::log::{Form, Log};
    use crate::serve::metrics::Metrics;

    fn write(root: &Path, folder: &str, name: &str, command: &str) {
        let folder = root.join(folder);
        fs::create_dir_all(&folder).unwrap();
        let text = format!("{{fsi: '1.0', name: {name}, command: {command}, modes: [binary]}}");
        fs::write(folder.join("function.yaml"), text).unwrap();
    }

    /// Tenants and names with their revisions; a removed function may take a moment to go.
    fn served(catalog: &Catalog) -> BTreeMap<String, String> {
        let functions = catalog.host().functions().into_iter();
        let present =
            functions.filter(|state| catalog.host().look(&state.tenant, &state.name).is_some());
        present
            .map(|state| {
                (
                    format!("{}/{}", state.tenant, state.name),
                    state.revision.id.clone(),
                )
            })
            .collect()
    }

    fn names(catalog: &Catalog) -> Vec<String> {
        served(catalog).into_keys().collect()
    }

    async fn until(catalog: &Catalog, expected: &[&str]) {
        let settled = async {
            while names(catalog) != expected {
                tokio::task::yield_now().await;
            }
        };
        let limit = std::time::Duration::from_secs(60);
        let waited = tokio::time::timeout(limit, settled).await;
        assert!(waited.is_ok(), "{:?}, not {expected:?}", names(catalog));
    }

    #[tokio::test]
    async fn the_catalogue_follows_the_files() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path();
        let host = Host::new(Settings::default()).unwrap();
        let log = Log::new(Form::Json, std::io::sink());
        let catalog = Catalog::new(host.clone(), log, Metrics::default());
        let mut files = Files::new(vec![path.to_owned()], "default".to_owned());

        write(path, "one", "one", "[cat]");
        write(path, "acme/two", "two", "[cat]");
        files.sync(&catalog).await;
        let first = served(&catalog);
        assert_eq!(names(&catalog), ["acme/two", "default/one"]);

        files.sync(&catalog).await;
        assert_eq!(served(&catalog), first, "nothing has changed");

        fs::write(path.join("one/data"), "x").unwrap();
        files.sync(&catalog).await;
        let second = served(&catalog);
        assert_ne!(second["default/one"], first["default/one"]);
        assert_eq!(second["acme/two"], first["acme/two"]);

        // What is broken leaves what works alone, and a name has one owner.
        fs::write(path.join("one/function.yaml"), "fsi: 1.0").unwrap();
        write(path, "zwei", "one", "[cat]");
        write(path, "acme/zwei", "two", "[cat]");
        files.sync(&catalog).await;
        assert_eq!(names(&catalog), ["acme/two", "default/one"]);
        assert_eq!(served(&catalog)["acme/two"], first["acme/two"]);
        assert_eq!(files.complaints.len(), 2, "{:?}", files.complaints);
        fs::remove_dir_all(path.join("zwei")).unwrap();

        write(path, "one", "renamed", "[cat]");
        fs::remove_dir_all(path.join("acme")).unwrap();
        files.sync(&catalog).await;
        until(&catalog, &["default/renamed"]).await;
        host.shutdown().await;
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_read_takes_no_function_away() {
        let root = tempfile::tempdir().unwrap();
        let (files, link) = (root.path().join("files"), root.path().join("link"));
        write(&files, "one", "one", "[cat]");
        write(&files, "acme/two", "two", "[cat]");
        std::os::unix::fs::symlink(&files, &link).unwrap();
        let host = Host::new(Settings::default()).unwrap();
        let log = Log::new(Form::Json, std::io::sink());
        let catalog = Catalog::new(host.clone(), log, Metrics::default());
        let mut files = Files::new(vec![link.clone()], "default".to_owned());
        files.sync(&catalog).await;
        let first = served(&catalog);
        assert_eq!(names(&catalog), ["acme/two", "default/one"]);

        // Of all that can go wrong, this does so for every user.
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&link, &link).unwrap();
        files.sync(&catalog).await;
        assert_eq!(files.complaints.len(), 1, "{:?}", files.complaints);
        // Removals are not waited for, but they have begun by then.
        tokio::task::yield_now().await;
        assert_eq!(served(&catalog), first);

        // What is not there any more was taken away.
        fs::remove_file(&link).unwrap();
        files.sync(&catalog).await;
        until(&catalog, &[]).await;
        host.shutdown().await;
    }
}
