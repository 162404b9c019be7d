//! Changes of files, gathered until they come to rest.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::layout::is_ignored;

/// How long nothing has to change.
const QUIET: Duration = Duration::from_millis(200);
/// How long changes that never come to rest are waited for.
const LONGEST: Duration = Duration::from_secs(5);

/// Tells that files or folders have changed, not which: whoever wants to know looks.
pub struct Changes {
    changed: mpsc::Receiver<()>,
    /// Dropped, it watches no longer.
    _watcher: RecommendedWatcher,
}

impl Changes {
    /// Watches folders, and the folders of files.
    ///
    /// # Errors
    ///
    /// What the system says: often that this user watches too many files already.
    pub fn new(paths: &[PathBuf]) -> notify::Result<Changes> {
        // Changes are told by absolute paths.
        let absolute =
            |path: &PathBuf| std::path::absolute(folder(path)).map_err(notify::Error::io);
        let folders = paths
            .iter()
            .map(absolute)
            .collect::<notify::Result<Vec<_>>>()?;
        let roots = folders.clone();
        // One is enough: it says that something changed since it was last taken.
        let (tell, changed) = mpsc::channel(1);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // An error may mean that events were lost, so it counts as one.
            if event.as_ref().map_or(true, |event| matters(event, &roots)) {
                let _ = tell.try_send(());
            }
        })?;
        for folder in &folders {
            watcher.watch(folder, RecursiveMode::Recursive)?;
        }
        Ok(Changes {
            changed,
            _watcher: watcher,
        })
    }

    /// Waits for a change, and until no more come.
    pub async fn next(&mut self) {
        // It has no end as long as the watcher lives.
        self.changed.recv().await;
        let longest = Instant::now() + LONGEST;
        while timeout_at(longest.min(Instant::now() + QUIET), self.changed.recv())
            .await
            .is_ok()
        {}
    }
}

fn folder(path: &Path) -> &Path {
    let parent = || {
        path.parent()
            .filter(|parent| !parent.as_os_str().is_empty())
    };
    match path.is_dir() {
        true => path,
        false => parent().unwrap_or(Path::new(".")),
    }
}

/// Whether a function may have become another one. Reading is no change, and neither is what does
/// not belong to functions; the roots themselves may have any name.
fn matters(event: &Event, roots: &[PathBuf]) -> bool {
    let own = |path: &PathBuf| {
        let inside = roots.iter().filter_map(|root| path.strip_prefix(root).ok());
        inside
            .into_iter()
            .any(|inside| !inside.iter().any(is_ignored))
    };
    let changed = !matches!(event.kind, EventKind::Access(_));
    changed && (event.paths.is_empty() || event.paths.iter().any(own))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    async fn changed(changes: &mut Changes) -> bool {
        tokio::time::timeout(Duration::from_secs(2), changes.next())
            .await
            .is_ok()
    }

    #[tokio::test]
    async fn changes_are_told_once_they_rest() {
        // Its name begins with a dot, as a folder's above the functions may.
        let root = tempfile::tempdir().unwrap();
        let path = root.path().to_owned();
        fs::create_dir(path.join("f")).unwrap();
        fs::write(path.join("f/function.yaml"), "x").unwrap();
        let mut changes = Changes::new(std::slice::from_ref(&path)).unwrap();
        for n in 0..5 {
            fs::write(path.join("f/main.py"), n.to_string()).unwrap();
        }
        assert!(changed(&mut changes).await);
        fs::read(path.join("f/main.py")).unwrap();
        fs::create_dir(path.join("f/__pycache__")).unwrap();
        fs::write(path.join("f/.swap"), "x").unwrap();
        assert!(!changed(&mut changes).await, "nothing of the function's");
        fs::create_dir(path.join("g")).unwrap();
        assert!(changed(&mut changes).await);
        fs::write(path.join("g/function.yaml"), "x").unwrap();
        assert!(changed(&mut changes).await, "in a new folder");
        fs::remove_dir_all(path.join("f")).unwrap();
        assert!(changed(&mut changes).await);
    }
}
