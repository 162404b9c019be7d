//! The committed code in `src/generated/` is what the schemas generate today.
//!
//! `UPDATE=1 cargo test -p faas-schemas --test drift` rewrites it.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    // Protobuf's compiler is a crate; Cap'n Proto's is a program that may be missing.
    let capnp_missing = Command::new("capnp").arg("--version").output().is_err();
    let trials = vec![
        Trial::test("protobuf", || compare("protobuf", generate_protobuf)),
        Trial::test("capnp", || compare("capnp", generate_capnp)).with_ignored_flag(capnp_missing),
    ];
    if capnp_missing {
        eprintln!("capnp: ignored, since the program `capnp` (package capnproto) is not installed");
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

type Generator = fn(&Path) -> Result<(), Failed>;

/// Generates into a temporary folder and compares each file with its committed counterpart.
fn compare(folder: &str, generate: Generator) -> Result<(), Failed> {
    let fresh = tempfile::tempdir()?;
    generate(fresh.path())?;
    let committed = schemas().join("src/generated").join(folder);
    let update = env::var_os("UPDATE").is_some();
    if update {
        fs::create_dir_all(&committed)?;
    }

    let mut drifted = Vec::new();
    let names = names(fresh.path())?;
    if names.is_empty() {
        return Err("the generator wrote no file".into());
    }
    for name in &names {
        let new = fs::read_to_string(fresh.path().join(name))?;
        let path = committed.join(name);
        if update {
            fs::write(&path, new)?;
        } else if fs::read_to_string(&path).unwrap_or_default() != new {
            drifted.push(path);
        }
    }
    for name in self::names(&committed)? {
        if !names.contains(&name) {
            drifted.push(committed.join(name));
        }
    }
    if drifted.is_empty() {
        return Ok(());
    }
    Err(format!(
        "these files differ from what the schemas generate, or are generated no more: {drifted:?}; \
         run `UPDATE=1 cargo test -p faas-schemas --test drift` and commit the result"
    )
    .into())
}

fn generate_protobuf(out: &Path) -> Result<(), Failed> {
    let files = protox::compile(
        ["fsi/v1/fsi.proto", "io/cloudevents/v1/cloudevents.proto"],
        [schemas().join("proto")],
    )?;
    prost_build::Config::new()
        .bytes(["."])
        .btree_map(["."])
        // Timestamp and Any are generated too, which spares a dependency on prost-types.
        .compile_well_known_types()
        // Their comments hold indented examples, which rustdoc would take for Rust.
        .disable_comments([".google"])
        .include_file("mod.rs")
        .out_dir(out)
        .compile_fds(files)?;
    Ok(())
}

fn generate_capnp(out: &Path) -> Result<(), Failed> {
    capnpc::CompilerCommand::new()
        .src_prefix(schemas().join("capnp"))
        .file(schemas().join("capnp/fsi.capnp"))
        // The schema imports nothing, so the program's own schemas need not be installed.
        .no_standard_import()
        .default_parent_module(vec!["generated".into(), "capnp".into()])
        .output_path(out)
        .run()?;
    Ok(())
}

fn names(folder: &Path) -> Result<Vec<String>, Failed> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn schemas() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
