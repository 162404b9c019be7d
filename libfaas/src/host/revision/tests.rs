use super::*;
use crate::{Context, Event};

fn manifest(yaml: &str) -> Manifest {
    Manifest::from_yaml(yaml).unwrap_or_else(|error| panic!("{error}"))
}

fn revision(yaml: &str, settings: &Settings) -> Result<Revision, Status> {
    Revision::new(manifest(yaml), "/f", "acme", "r1", settings)
}

const HEAD: &str = "fsi: \"1.0\"\nname: f\n";

#[test]
fn the_first_mode_and_encoding_that_the_host_supports() {
    let json_only = Settings {
        encodings: vec![Encoding::Json],
        ..Settings::default()
    };
    for (lines, expected) in [
        (
            "modes: [stream, binary]\nencodings: [protobuf, json]",
            Some((Mode::Stream, Encoding::Json)),
        ),
        (
            "modes: [stream, binary]\nencodings: [protobuf]",
            Some((Mode::Binary, Encoding::Json)),
        ),
        ("modes: [structured]\nencodings: [capnp]", None),
    ] {
        let found = revision(&format!("{HEAD}command: [x]\n{lines}\n"), &json_only);
        match expected {
            Some(expected) => {
                let found = found.unwrap();
                assert_eq!((found.mode, found.encoding), expected);
            }
            None => {
                let status = found.unwrap_err();
                assert_eq!(status.code, Code::FailedPrecondition);
                assert!(
                    status.message.contains("manifest-nothing-in-common"),
                    "{status}"
                );
            }
        }
    }
}

#[test]
fn a_pipeline_speaks_what_all_its_stages_speak() {
    let settings = Settings::default();
    let stages = |first: &str, second: &str| {
        format!(
            "{HEAD}modes: [stream]\nencodings: [json, protobuf]\nconcurrency: 3\npipeline:\n  - {first}\n  - {second}\n"
        )
    };
    let found = revision(
        &stages("[a]", "{command: [b], encodings: [protobuf]}"),
        &settings,
    )
    .unwrap();
    assert_eq!((found.encoding, found.concurrency), (Encoding::Protobuf, 3));
    let both = "{command: [a], encodings: [capnp]}";
    assert_eq!(
        revision(&stages(both, both), &settings).unwrap().encoding,
        Encoding::Capnp
    );
    // Nothing that both have: a relay stands between them, if this host has what each needs.
    let relayed = revision(&stages("[a]", both), &settings).unwrap();
    assert_eq!(relayed.stage_encodings, [Encoding::Json, Encoding::Capnp]);
    let no_capnp = Settings {
        encodings: vec![Encoding::Json, Encoding::Protobuf],
        ..Settings::default()
    };
    let status = revision(&stages("[a]", both), &no_capnp).unwrap_err();
    assert!(
        status.message.contains("json, protobuf | capnp"),
        "{status}"
    );
}

#[test]
fn versions_are_lowered_within_a_major_one() {
    let settings = Settings::default();
    let newer = format!(
        "{}command: [x]\nmodes: [binary]\n",
        HEAD.replace("1.0", "1.9")
    );
    assert_eq!(revision(&newer, &settings).unwrap().spec, "1.0");
    let mut other = manifest(&newer);
    other.fsi = "2.0".into();
    let status = Revision::new(other, "/f", "acme", "r1", &settings).unwrap_err();
    assert_eq!(status.code, Code::FailedPrecondition);
    assert!(status.message.contains("manifest-major"), "{status}");
}

#[test]
fn an_unknown_filter_dialect_is_refused_wherever_it_stands() {
    let lines = "command: [x]\nmodes: [binary]\ntriggers:\n  - events: {filters: [{not: {any: [{sql: x}]}}]}\n";
    let status = revision(&format!("{HEAD}{lines}"), &Settings::default()).unwrap_err();
    assert!(
        status.message.contains("manifest-filter-unknown"),
        "{status}"
    );
}

#[test]
fn the_lower_limit_holds() {
    let lines = "command: [x]\nmodes: [binary]\nlimits: {memory: 1Gi, cpu: 70m, timeout: 1s, output: 1.5}\n";
    let found = revision(&format!("{HEAD}{lines}"), &Settings::default())
        .unwrap()
        .bounds;
    assert_eq!(found.memory, Some(512 << 20));
    assert_eq!(found.millicores, Some(70));
    assert_eq!(found.timeout, Some(Duration::from_secs(1)));
    assert_eq!(found.output, Some(2));
    assert_eq!(found.pids, Some(128));
}

#[test]
fn concurrency_and_chunks_are_of_stream_mode() {
    let lines = "command: [x]\nencodings: [json]\nfeatures: [chunks]\nconcurrency: 5\n";
    let in_mode = |mode: &str| {
        let found = revision(
            &format!("{HEAD}{lines}modes: [{mode}]\n"),
            &Settings::default(),
        );
        let found = found.unwrap();
        (found.concurrency, found.chunks)
    };
    assert_eq!(in_mode("stream"), (5, true));
    assert_eq!(in_mode("structured"), (1, false));
}

#[test]
fn an_environment_is_whole_and_nothing_else() {
    let settings = Settings {
        level: crate::host::Level::Hygiene,
        ..Settings::default()
    };
    let lines = "command: [x]\nmodes: [stream]\nencodings: [protobuf]\nenv: {COLOUR: red, TZ: Asia/Tokyo}\n";
    let vars = revision(&format!("{HEAD}{lines}"), &settings)
        .unwrap()
        .variables(&settings, "/tmp/i1", None)
        .unwrap();
    let all: Vec<String> = vars
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(
        all,
        [
            "COLOUR=red",
            "FAAS_CONCURRENCY=1",
            "FAAS_ENCODING=protobuf",
            "FAAS_FUNCTION=f",
            "FAAS_MAX_MESSAGE_BYTES=16777216",
            "FAAS_MEMORY_BYTES=536870912",
            "FAAS_MODE=stream",
            "FAAS_REVISION=r1",
            "FAAS_SPEC=1.0",
            "FAAS_TENANT=acme",
            "HOME=/tmp/i1",
            "LANG=C.UTF-8",
            "PATH=/usr/local/bin:/usr/bin:/bin",
            "TMPDIR=/tmp/i1",
            "TZ=Asia/Tokyo",
        ]
    );

    let unbounded = Settings::default();
    let vars = revision(&format!("{HEAD}{lines}"), &unbounded)
        .unwrap()
        .variables(&unbounded, "/tmp/i1", None)
        .unwrap();
    assert!(
        !vars.contains_key("FAAS_MEMORY_BYTES"),
        "nobody enforces it"
    );
}

#[test]
fn an_invocation_stands_in_the_environment_or_is_refused() {
    let settings = Settings::default();
    let binary = revision(&format!("{HEAD}command: [x]\nmodes: [binary]\n"), &settings).unwrap();
    let event = Event::builder("7", "/s", "t").subject("é").build().unwrap();
    let context = Context {
        invocation_id: "i-1".into(),
        attempt: 2,
        ..Context::default()
    };
    let vars = binary
        .variables(&settings, "/t", Some((&context, &event)))
        .unwrap();
    assert_eq!(
        (vars["CE_ID"].as_str(), vars["CE_SUBJECT"].as_str()),
        ("7", "é")
    );
    assert_eq!(
        (
            vars["FAAS_INVOCATION_ID"].as_str(),
            vars["FAAS_ATTEMPT"].as_str()
        ),
        ("i-1", "2")
    );
    assert!(!vars.contains_key("FAAS_ENCODING"));

    let long = |name: &str, length: usize| {
        let mut context = context.clone();
        context.extra.insert(name.to_owned(), "x".repeat(length));
        context
    };
    let big = event
        .to_builder()
        .subject("x".repeat(32_001))
        .build()
        .unwrap();
    for (context, event, rule) in [
        (&long("lower", 1), &event, "context-malformed"),
        (&long("BIG", MAX), &event, "env-value"),
        (&context, &big, "binary-attribute-limit"),
    ] {
        let status = binary
            .variables(&settings, "/t", Some((context, event)))
            .unwrap_err();
        assert_eq!(status.code, Code::InvalidArgument);
        assert!(status.message.contains(rule), "{status}");
    }
}

const MAX: usize = 128 << 10;
