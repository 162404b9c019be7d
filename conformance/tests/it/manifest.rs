//! Manifests, good and bad, read by the library and judged by the JSON Schema.

use libfaas::Manifest;

/// The members that every manifest has, in one line of YAML each.
const BASE: &str = "fsi: \"1.0\"\nname: f\ncommand: [cat]\nmodes: [stream]\n";

/// Whether the JSON Schema takes the YAML.
fn schema_takes(yaml: &str) -> bool {
    let text = include_str!("../../../schemas/json/manifest.json");
    let schema = serde_json::from_str(text).unwrap();
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .unwrap();
    let document: serde_json::Value = serde_saphyr::from_str(yaml).unwrap();
    validator.is_valid(&document)
}

/// What is added to the base, and the place and the rule of the fault, if the library finds one.
/// Library and schema have to agree.
#[test]
fn library_and_schema_agree() {
    let good = [
        "",
        "version: \"1\"",
        "encodings: [protobuf, json]",
        "encodings: [later, json]",
        "features: [chunks, later]",
        "concurrency: 65535",
        "limits: { timeout: 1m30s, memory: 256Mi, cpu: 500m, pids: 32, tmp: 1.5, output: 1e3, event: 20 }",
        "limits: {}",
        "env: { _A1: \"x\", PATH: /bin }",
        "network: outbound-tcp",
        "consumes: [{ type: a, datacontenttype: text/plain, dataschema: \"urn:x\" }]",
        "triggers: [{ http: { path: /a } }, { queue: { topic: t } }, { schedule: { cron: \"0 3 * * *\" } }]",
        "triggers: [{ events: { filters: [] } }]",
        "triggers: [{ events: { filters: [{ not: { all: [{ prefix: { type: a } }, { sql: x }] } }] } }]",
        "samples: [samples/a.json, ..b/c]",
    ];
    for extra in good {
        let yaml = format!("{BASE}{extra}\n");
        let manifest =
            Manifest::from_yaml(&yaml).unwrap_or_else(|error| panic!("{extra}: {error}"));
        assert!(schema_takes(&yaml), "{extra}");
        let again = Manifest::from_json(&manifest.to_json()).unwrap();
        if !extra.contains("sql") {
            assert_eq!(again, manifest, "{extra}");
        }
    }
    let bad = [
        ("manifest-schema", "version: 1"),
        ("manifest-schema", "version: \"\""),
        ("manifest-schema", "version: null"),
        ("manifest-schema", "encodings: []"),
        ("manifest-schema", "encodings: json"),
        ("manifest-schema", "features: [\"Chunks\"]"),
        ("manifest-schema", "concurrency: 0"),
        ("manifest-schema", "concurrency: 65536"),
        ("manifest-schema", "concurrency: \"4\""),
        ("manifest-schema", "concurrency: 1.5"),
        ("manifest-unknown-key", "concurency: 4"),
        ("manifest-unknown-key", "limits: { memroy: 1Mi }"),
        ("manifest-schema", "limits: { timeout: 10 }"),
        ("manifest-schema", "limits: { timeout: 30s1m }"),
        ("manifest-schema", "limits: { timeout: 0s }"),
        ("manifest-schema", "limits: { memory: 1mi }"),
        ("manifest-schema", "limits: { memory: -1 }"),
        ("manifest-schema", "limits: { pids: 0 }"),
        ("manifest-env-reserved", "env: { FAAS_MODE: stream }"),
        ("manifest-env-reserved", "env: { TMPDIR: /tmp }"),
        ("manifest-schema", "env: { 1A: x }"),
        ("manifest-schema", "env: { A: 1 }"),
        ("manifest-schema", "env: { A: \"a\\nb\" }"),
        ("manifest-schema", "network: all"),
        (
            "manifest-schema",
            "consumes: [{ datacontenttype: text/plain }]",
        ),
        ("manifest-unknown-key", "produces: [{ type: a, kind: b }]"),
        ("manifest-schema", "produces: [{ type: a, dataschema: x }]"),
        ("manifest-schema", "triggers: [{}]"),
        (
            "manifest-schema",
            "triggers: [{ http: { path: /a }, queue: { topic: t } }]",
        ),
        ("manifest-unknown-key", "triggers: [{ mail: { to: x } }]"),
        ("manifest-schema", "triggers: [{ http: { path: a } }]"),
        (
            "manifest-schema",
            "triggers: [{ http: { path: /a, methods: [get] } }]",
        ),
        (
            "manifest-schema",
            "triggers: [{ schedule: { cron: \"0 3 * *\" } }]",
        ),
        (
            "manifest-schema",
            "triggers: [{ events: { filters: [{}] } }]",
        ),
        (
            "manifest-schema",
            "triggers: [{ events: { filters: [{ exact: {} }] } }]",
        ),
        (
            "manifest-schema",
            "triggers: [{ events: { filters: [{ any: [] }] } }]",
        ),
        ("manifest-sample-inside", "samples: [/a.json]"),
        ("manifest-sample-inside", "samples: [a/../../b]"),
        ("manifest-one-start", "pipeline: [[cat]]"),
    ];
    for (rule, extra) in bad {
        let yaml = format!("{BASE}{extra}\n");
        let error = Manifest::from_yaml(&yaml).expect_err(extra);
        assert_eq!(error.rule(), rule, "{extra}: {error}");
        assert!(!schema_takes(&yaml), "{extra}");
        let line = if rule == "manifest-one-start" { 1 } else { 5 };
        assert_eq!(error.line(), Some(line), "{extra}: {error}");
        let json: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
        let in_json = Manifest::from_json(&json.to_string()).expect_err(extra);
        assert_eq!(
            (in_json.rule(), in_json.line()),
            (rule, Some(1)),
            "{extra}: {in_json}"
        );
    }
}
