//! Manifests, as YAML and as JSON.

use libfaas::Manifest;
use libfaas::host::{Revision, Settings};

/// A manifest is read or refused. What a function prints in mode `describe` is the manifest that it was built with, and
/// a host accepts it or says why not.
pub fn manifest(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    for read in [Manifest::from_yaml(text), Manifest::from_json(text)] {
        match read {
            Err(error) => assert!(!error.to_string().is_empty()),
            Ok(manifest) => {
                let mut again = Manifest::from_json(&manifest.to_json()).expect("a manifest");
                // Without an encoding that is known only binary mode is left, where none matters.
                if manifest.encodings.is_empty() {
                    again.encodings.clear();
                }
                assert_eq!(again, manifest);
                match Revision::new(manifest, ".", "t", "r", &Settings::default()) {
                    Ok(revision) => assert!(revision.concurrency > 0),
                    Err(status) => assert!(!status.is_ok()),
                }
            }
        }
    }
}
