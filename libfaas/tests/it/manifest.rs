//! Manifests, good and bad. That the JSON Schema thinks the same of them is tested with the suite, in `tests/it/manifest.rs`.

use libfaas::{Encoding, Filter, Manifest, Mode, Start, Trigger};

/// The members that every manifest has, in one line of YAML each.
const BASE: &str = "fsi: \"1.0\"\nname: f\ncommand: [cat]\nmodes: [stream]\n";

#[test]
fn whole_documents() {
    let replaced = |from: &str, to: &str| BASE.replace(from, to);
    for (rule, yaml) in [
        ("manifest-schema", replaced("fsi: \"1.0\"", "fsi: 1.0")),
        ("manifest-schema", replaced("fsi: \"1.0\"\n", "")),
        (
            "manifest-schema",
            replaced("\"1.0\"", "\"1.00\"").replace("1.00", "01.0"),
        ),
        ("manifest-schema", replaced("name: f", "name: -f")),
        ("manifest-schema", replaced("[cat]", "cat")),
        ("manifest-schema", replaced("[cat]", "[]")),
        ("manifest-schema", replaced("[stream]", "[]")),
        ("manifest-schema", "- a\n".to_owned()),
        ("manifest-one-start", replaced("command: [cat]\n", "")),
        // The schema of 1.0 can't know these.
        ("manifest-major", replaced("1.0", "2.0")),
        ("manifest-nothing-in-common", replaced("stream", "batch")),
        (
            "manifest-nothing-in-common",
            format!("{BASE}encodings: [cbor]\n"),
        ),
        ("manifest-duplicate-key", format!("{BASE}name: g\n")),
        ("manifest-one-document", format!("{BASE}---\n{BASE}")),
        (
            "manifest-one-document",
            format!("{BASE}# {}\n", "x".repeat(1 << 20)),
        ),
    ] {
        let error = Manifest::from_yaml(&yaml).unwrap_err();
        assert_eq!(error.rule(), rule, "{error}");
    }
}

#[test]
fn a_newer_minor_version_may_have_more_keys() {
    let yaml = BASE.replace("1.0", "1.7") + "later: { a: 1 }\nlimits: { disks: 2, pids: 3 }\n";
    let manifest = Manifest::from_yaml(&yaml).unwrap();
    assert_eq!(
        (manifest.fsi.as_str(), manifest.limits.pids),
        ("1.7", Some(3))
    );
    let error = Manifest::from_yaml(&(yaml + "triggers: [{ mail: {} }]\n")).unwrap_err();
    assert_eq!(error.rule(), "manifest-trigger-unsupported");
}

#[test]
fn pages_of_the_specification() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/manifest.md"))
        .unwrap();
    let mut read = 0;
    for block in page.split("```").skip(1).step_by(2) {
        let Some((language, text)) = block.split_once('\n') else {
            continue;
        };
        let manifest = match language {
            "yaml manifest" => Manifest::from_yaml(text).unwrap(),
            "json manifest" => Manifest::from_json(text).unwrap(),
            _ => continue,
        };
        assert_eq!(Manifest::from_json(&manifest.to_json()).unwrap(), manifest);
        read += 1;
    }
    assert_eq!(read, 3);

    let first = page
        .split("```yaml manifest\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let manifest = Manifest::from_yaml(first).unwrap();
    assert_eq!(manifest.modes, [Mode::Stream, Mode::Structured]);
    assert_eq!(manifest.encodings, [Encoding::Protobuf, Encoding::Json]);
    assert_eq!(manifest.limits.cpu.unwrap().to_f64(), 0.5);
    assert!(matches!(&manifest.start, Start::Command(command) if command.last().unwrap() == "80"));
    let Trigger::Events { filters } = &manifest.triggers[1] else {
        panic!("{:?}", manifest.triggers)
    };
    assert!(
        matches!(&filters[0], Filter::Exact(exact) if exact["type"] == "com.example.image.uploaded")
    );
}

#[test]
fn errors_say_where_and_what_to_do() {
    let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    std::fs::write(file.path(), "fsi: 1.0\nname: f\n").unwrap();
    let show = |error: libfaas::ManifestError| {
        error
            .to_string()
            .replace(file.path().to_str().unwrap(), "function.yaml")
    };
    insta::assert_snapshot!(show(Manifest::from_path(file.path()).unwrap_err()), @r#"function.yaml:1:6: `fsi`: expected the version in quotes, "1.0", got the number 1.0 (rule manifest-schema)"#);
    insta::assert_snapshot!(show(Manifest::from_yaml(&format!("{BASE}concurency: 4\n")).unwrap_err()), @r#"manifest:5:1: expected one of fsi, name, version, command, pipeline, modes, encodings, features, concurrency, consumes, produces, limits, env, network, triggers, samples in the manifest, got "concurency"; correct or remove it (rule manifest-unknown-key)"#);
    insta::assert_snapshot!(show(Manifest::from_json("{\n  \"fsi\": \"1.0\",\n  \"name\": \"F\",").unwrap_err()), @r#"manifest:3:15: can't be read as JSON: expected a string, got the end of the text (rule manifest-schema)"#);
    insta::assert_snapshot!(show(Manifest::from_yaml("a: [b").unwrap_err()), @r#"manifest:1:4: can't be read as YAML: unclosed bracket '[' (rule manifest-schema)"#);
    insta::assert_snapshot!(show(Manifest::from_yaml(&format!("{BASE}limits:\n  timeout: 10\n")).unwrap_err()), @r#"manifest:6:12: `timeout`: expected a duration like 250ms, 10s or 1m30s, longer than zero, got the number 10 (rule manifest-schema)"#);
}
