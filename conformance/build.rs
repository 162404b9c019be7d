//! Embeds the specification's pages, the cases, the test vectors and the adapters' fixtures, so that the binary judges
//! from anywhere and a build needs nothing but the repository.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    let here = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let root = here.parent().expect("the workspace's root");
    let out = PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets it")).join("embedded.rs");
    let mut out = io::BufWriter::new(fs::File::create(out)?);
    embed(&mut out, "SPEC", &root.join("spec"), "md")?;
    embed(&mut out, "CASES", &here.join("cases"), "toml")?;
    embed(&mut out, "VECTORS", &root.join("schemas/vectors"), "json")?;
    embed_bytes(&mut out, "FIXTURES", &root.join("adapters/fixtures"))?;
    out.flush()
}

/// Writes `static NAME: &[(path below dir without its ending, text)]`, in the order of the paths.
fn embed(out: &mut impl Write, name: &str, dir: &Path, ending: &str) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", dir.display());
    let mut files = Vec::new();
    if dir.is_dir() {
        collect(dir, ending, &mut files)?;
    }
    files.sort();
    writeln!(out, "pub(crate) static {name}: &[(&str, &str)] = &[")?;
    for file in files {
        let id = file
            .strip_prefix(dir)
            .expect("found below it")
            .with_extension("");
        let id = id
            .to_str()
            .expect("paths of the repository are UTF-8")
            .replace('\\', "/");
        writeln!(out, "    ({id:?}, include_str!({file:?})),")?;
    }
    writeln!(out, "];")
}

/// Writes `static NAME: &[(path below dir, bytes)]`: payloads need not be text.
fn embed_bytes(out: &mut impl Write, name: &str, dir: &Path) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", dir.display());
    let mut files = Vec::new();
    collect_all(dir, &mut files)?;
    files.sort();
    writeln!(out, "pub(crate) static {name}: &[(&str, &[u8])] = &[")?;
    for file in files {
        let id = file.strip_prefix(dir).expect("found below it");
        let id = id.to_str().expect("paths of the repository are UTF-8");
        let id = id.replace('\\', "/");
        writeln!(out, "    ({id:?}, include_bytes!({file:?})),")?;
    }
    writeln!(out, "];")
}

fn collect_all(dir: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        match path.is_dir() {
            true => collect_all(&path, files)?,
            false => files.push(path),
        }
    }
    Ok(())
}

fn collect(dir: &Path, ending: &str, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            println!("cargo::rerun-if-changed={}", path.display());
            collect(&path, ending, files)?;
        } else if path.extension().is_some_and(|e| e == ending) {
            files.push(path);
        }
    }
    Ok(())
}
