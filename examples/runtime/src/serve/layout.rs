//! Where functions are on disk, and whose they are.
//!
//! A file is the manifest of one function. A folder is one function if it holds a manifest; else its
//! sub-folders are functions; and a sub-folder that holds no manifest is a tenant, named like it,
//! whose functions are in sub-folders of its own. What is in no tenant's folder belongs to the
//! tenant that `--tenant` names.

use std::collections::hash_map::DefaultHasher;
use std::ffi::OsStr;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A function's manifest, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The tenant.
    pub tenant: String,
    /// The file.
    pub manifest: PathBuf,
}

/// Something on disk that is no function, where one was to be.
#[derive(Debug, thiserror::Error)]
pub enum Misplaced {
    /// It can't be read.
    #[error("{path}: {source}")]
    Io {
        /// A file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Which one counts can't be told.
    #[error("{0}: expected function.yaml or function.json, got both; remove one")]
    Two(PathBuf),
    /// A folder with functions whose name is no tenant's.
    #[error(
        "{0}: expected a tenant's folder, whose name has 1 to 63 of a-z, 0-9 and - and is none of healthz and readyz"
    )]
    Tenant(PathBuf),
}

impl Misplaced {
    /// Whether a function may be there all the same: what can't be read is not gone.
    pub fn hides(&self, place: &Place) -> bool {
        match self {
            Misplaced::Io { path, source } => {
                source.kind() != io::ErrorKind::NotFound && place.manifest.starts_with(path)
            }
            Misplaced::Two(_) | Misplaced::Tenant(_) => false,
        }
    }
}

/// A tenant's name has the form of a function's; two names are taken by the runtime's own paths.
pub fn is_tenant(name: &str) -> bool {
    let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(inside)
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !["healthz", "readyz"].contains(&name)
}

/// The functions in files and folders, in order, and what is wrong with others.
pub fn find(sources: &[PathBuf], tenant: &str) -> (Vec<Place>, Vec<Misplaced>) {
    let mut found = Found::default();
    for source in sources {
        found.source(source, tenant);
    }
    found.places.sort();
    found.places.dedup();
    (found.places, found.wrong)
}

#[derive(Default)]
struct Found {
    places: Vec<Place>,
    wrong: Vec<Misplaced>,
}

impl Found {
    fn source(&mut self, path: &Path, tenant: &str) {
        if !path.is_dir() {
            match fs::metadata(path) {
                Ok(_) => self.add(path.to_owned(), tenant),
                Err(source) => self.wrong.push(Misplaced::Io {
                    path: path.to_owned(),
                    source,
                }),
            }
        } else if !self.function(path, tenant) {
            for folder in self.folders(path) {
                if self.function(&folder, tenant) {
                    continue;
                }
                let name = folder
                    .file_name()
                    .and_then(OsStr::to_str)
                    .unwrap_or_default();
                for inner in self.folders(&folder) {
                    if is_tenant(name) {
                        self.function(&inner, name);
                    } else if !manifests(&inner).is_empty() {
                        self.wrong.push(Misplaced::Tenant(folder.clone()));
                        break;
                    }
                }
            }
        }
    }

    /// Adds the function in a folder, if there is one.
    fn function(&mut self, folder: &Path, tenant: &str) -> bool {
        match &manifests(folder)[..] {
            [] => return false,
            [manifest] => self.add(manifest.clone(), tenant),
            _ => self.wrong.push(Misplaced::Two(folder.to_owned())),
        }
        true
    }

    fn add(&mut self, manifest: PathBuf, tenant: &str) {
        self.places.push(Place {
            tenant: tenant.to_owned(),
            manifest,
        });
    }

    fn folders(&mut self, path: &Path) -> Vec<PathBuf> {
        let entries =
            fs::read_dir(path).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
        match entries {
            Ok(entries) => {
                let visible = entries
                    .into_iter()
                    .filter(|entry| !is_ignored(&entry.file_name()));
                visible
                    .map(|entry| entry.path())
                    .filter(|path| path.is_dir())
                    .collect()
            }
            Err(source) => {
                self.wrong.push(Misplaced::Io {
                    path: path.to_owned(),
                    source,
                });
                Vec::new()
            }
        }
    }
}

fn manifests(folder: &Path) -> Vec<PathBuf> {
    let names = ["function.yaml", "function.json"].map(|name| folder.join(name));
    names.into_iter().filter(|path| path.is_file()).collect()
}

/// Names that don't belong to a function: hidden files, editors' copies, and what Python leaves
/// behind when it runs one.
pub fn is_ignored(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(b".") || name.ends_with(b"~") || name == b"__pycache__"
}

/// What tells the files of a folder from the same files after a change: names, sizes, times, modes.
/// Links are not followed.
///
/// # Errors
///
/// A folder that can't be read, or that goes away meanwhile.
pub fn fingerprint(folder: &Path) -> io::Result<u64> {
    let mut hasher = DefaultHasher::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let mut entries = fs::read_dir(&folder)?.collect::<io::Result<Vec<_>>>()?;
        entries.retain(|entry| !is_ignored(&entry.file_name()));
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let data = entry.metadata()?;
            entry.path().hash(&mut hasher);
            (data.mode(), data.ino()).hash(&mut hasher);
            if data.is_dir() {
                folders.push(entry.path());
            } else {
                (
                    data.size(),
                    data.mtime(),
                    data.mtime_nsec(),
                    data.ctime(),
                    data.ctime_nsec(),
                )
                    .hash(&mut hasher);
            }
        }
    }
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        root
    }

    fn found(root: &Path, sources: &[&str]) -> (Vec<String>, Vec<String>) {
        let sources: Vec<_> = sources.iter().map(|source| root.join(source)).collect();
        let (places, wrong) = find(&sources, "default");
        let short = |text: String| text.replace(&format!("{}/", root.display()), "");
        let places = places
            .iter()
            .map(|place| short(format!("{} {}", place.tenant, place.manifest.display())));
        let wrong = wrong.iter().map(|wrong| {
            short(wrong.to_string())
                .split(':')
                .next()
                .unwrap()
                .to_owned()
        });
        (places.collect(), wrong.collect())
    }

    #[test]
    fn depth_tells_functions_from_tenants() {
        let root = tree(&[
            "all/one/function.yaml",
            "all/two/function.json",
            "all/two/deeper/function.yaml",
            "all/acme/three/function.yaml",
            "all/acme/three/src/function.yaml",
            "all/acme/notes.txt",
            "all/empty/notes.txt",
            "all/.git/x/function.yaml",
            "single/function.yaml",
            "single/sub/function.yaml",
            "file.yaml",
        ]);
        let (places, wrong) = found(
            root.path(),
            &["all", "single", "file.yaml", "single/function.yaml"],
        );
        assert_eq!(
            places,
            [
                "acme all/acme/three/function.yaml",
                "default all/one/function.yaml",
                "default all/two/function.json",
                "default file.yaml",
                "default single/function.yaml",
            ]
        );
        assert_eq!(wrong, [""; 0]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let root = tree(&[
            "all/both/function.yaml",
            "all/both/function.json",
            "all/Bad_Tenant/f/function.yaml",
            "all/readyz/f/function.yaml",
            "all/Not_A_Tenant/src/main.py",
        ]);
        let (places, mut wrong) = found(root.path(), &["all", "missing"]);
        wrong.sort();
        assert_eq!(places, [""; 0]);
        assert_eq!(
            wrong,
            ["all/Bad_Tenant", "all/both", "all/readyz", "missing"]
        );
    }

    #[test]
    fn tenants() {
        for name in ["a", "acme-2", &"x".repeat(63)] {
            assert!(is_tenant(name), "{name}");
        }
        for name in [
            "",
            "-a",
            "a-",
            "A",
            "a_b",
            "a.b",
            "healthz",
            &"x".repeat(64),
        ] {
            assert!(!is_tenant(name), "{name}");
        }
    }

    #[test]
    fn a_fingerprint_changes_with_the_files() {
        let root = tree(&["function.yaml", "src/main.py"]);
        let print = || fingerprint(root.path()).unwrap();
        let before = print();
        assert_eq!(print(), before);
        fs::create_dir(root.path().join("__pycache__")).unwrap();
        fs::write(root.path().join("__pycache__/x.pyc"), "x").unwrap();
        fs::write(root.path().join("src/.main.py.swp"), "x").unwrap();
        assert_eq!(print(), before, "what does not belong to the function");
        fs::write(root.path().join("src/main.py"), "yy").unwrap();
        let changed = print();
        assert_ne!(changed, before);
        fs::write(root.path().join("src/new"), "").unwrap();
        assert_ne!(print(), changed);
        assert!(fingerprint(&root.path().join("gone")).is_err());
    }
}
