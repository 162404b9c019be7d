//! The admin API, and `ps`, which asks it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;

use crate::client::Client;
use crate::server::{Server, shell};

fn ps(server: &Server, options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_faas-runtime"));
    command
        .args(["ps", "--admin", &server.admin.to_string()])
        .args(options);
    command.output().unwrap()
}

#[test]
fn only_the_token_opens_it() {
    let server = Server::start(&[], |root| drop(shell(root, "f", "cat")));
    assert_eq!(
        fs::metadata(server.token_file()).unwrap().mode() & 0o777,
        0o600
    );
    let token = fs::read_to_string(server.token_file()).unwrap();
    let (right, half) = (
        format!("Bearer {}", token.trim()),
        format!("Bearer {}", &token[..32]),
    );
    for (line, right_status) in [
        ("GET /functions", 200),
        ("GET /functions/default/f", 200),
        ("PUT /functions/default/f", 400),
        ("GET /nothing", 404),
        ("DELETE /functions/default/f", 204),
    ] {
        for (header, status) in [
            ("", 401),
            ("Bearer x", 401),
            (half.as_str(), 401),
            (right.as_str(), right_status),
        ] {
            let mut client = Client::connect(server.admin).unwrap();
            let headers = [("authorization", header)];
            let answer = client
                .ask(line, &headers[usize::from(header.is_empty())..], b"")
                .unwrap();
            assert_eq!(answer.status, status, "{line} with {header:?}");
        }
    }
    assert!(
        server
            .records()
            .iter()
            .all(|record| !record.to_string().contains(token.trim()))
    );
    // Whoever calls functions does not reach it.
    assert_eq!(
        server
            .ask("GET /functions", &[("authorization", &right)], b"")
            .status,
        404
    );
}

#[test]
fn it_creates_updates_and_removes() {
    let elsewhere = tempfile::tempdir().unwrap();
    let server = Server::start(
        &["--no-watch", "--allow", elsewhere.path().to_str().unwrap()],
        |_| (),
    );
    let first = shell(server.folder.path(), "f", "printf one");
    let second = shell(elsewhere.path(), "f", "printf two");
    assert_eq!(server.ask("POST /default/f", &[], b"").status, 404);
    let mut revisions = Vec::new();
    for (folder, text) in [(&first, "one"), (&second, "two")] {
        let deployed = server.deploy("f", &folder.join("function.json"));
        assert_eq!(
            (deployed.status, &deployed.json()["state"]),
            (200, &json!("ready"))
        );
        revisions.push(deployed.json()["revision"].clone());
        assert_eq!(server.ask("POST /default/f", &[], b"").text(), text);
    }
    assert_ne!(revisions[0], revisions[1]);
    assert_eq!(
        server.manage("DELETE /functions/default/f", None).status,
        204
    );
    assert_eq!(server.ask("POST /default/f", &[], b"").status, 404);
    assert_eq!(
        server.manage("DELETE /functions/default/f", None).status,
        404
    );
}

#[test]
fn what_it_refuses_it_explains() {
    let outside = tempfile::tempdir().unwrap();
    let server = Server::start(&[], |root| drop(shell(root, "f", "cat")));
    let root = server.folder.path();
    let stranger = shell(outside.path(), "f", "cat").join("function.json");
    std::os::unix::fs::symlink(outside.path(), root.join("link")).unwrap();
    let queue = root.join("queue.json");
    let manifest = json!({"fsi": "1.0", "name": "f", "command": ["cat"], "modes": ["binary"], "triggers": [{"queue": {"topic": "t"}}]});
    fs::write(&queue, manifest.to_string()).unwrap();
    let own = root.join("f/function.json");
    for (name, path, status, code) in [
        ("f", stranger.as_path(), 403, "PERMISSION_DENIED"),
        (
            "f",
            &root.join("link/f/function.json"),
            403,
            "PERMISSION_DENIED",
        ),
        (
            "f",
            &root.join("f/../../etc/function.json"),
            403,
            "PERMISSION_DENIED",
        ),
        ("f", Path::new("f/function.json"), 400, "INVALID_ARGUMENT"),
        ("g", &own, 400, "INVALID_ARGUMENT"),
        ("f", &queue, 400, "FAILED_PRECONDITION"),
    ] {
        let answer = server.deploy(name, path);
        assert_eq!(
            (answer.status, answer.header("fsi-status")),
            (status, code),
            "{}",
            path.display()
        );
        assert!(!answer.json()["message"].as_str().unwrap().is_empty());
    }
    assert_eq!(
        server
            .ask("POST /default/f", &[("content-type", "text/plain")], b"x")
            .text(),
        "x"
    );
}

#[test]
fn ps_shows_the_functions() {
    let server = Server::start(&[], |root| {
        shell(root, "f", "cat");
        shell(&root.join("acme"), "broken", "cat");
        let manifest =
            json!({"fsi": "1.0", "name": "broken", "command": ["./missing"], "modes": ["binary"]});
        fs::write(root.join("acme/broken/function.json"), manifest.to_string()).unwrap();
    });
    let token_file = server.token_file();
    let shown = ps(
        &server,
        &["--admin-token-file", token_file.to_str().unwrap()],
    );
    let text = String::from_utf8(shown.stdout).unwrap();
    let rows: Vec<Vec<_>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        rows[0],
        [
            "TENANT",
            "FUNCTION",
            "REVISION",
            "STATE",
            "INSTANCES",
            "OPEN",
            "QUEUED"
        ]
    );
    assert_eq!(
        [rows[1][0], rows[1][1], rows[1][3]],
        ["acme", "broken", "failed"],
        "{text}"
    );
    assert_eq!(
        [rows[2][0], rows[2][1], rows[2][3]],
        ["default", "f", "ready"],
        "{text}"
    );

    let wrong = server.folder.path().join("wrong");
    fs::write(&wrong, "0123456789abcdef").unwrap();
    fs::set_permissions(&wrong, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let refused = ps(&server, &["--admin-token-file", wrong.to_str().unwrap()]);
    assert!(!refused.status.success());
    assert!(String::from_utf8(refused.stderr).unwrap().contains("401"));
}

#[test]
fn metrics_and_health_need_no_token() {
    let server = Server::start(&[], |root| drop(shell(root, "f", "cat")));
    server.ask("POST /default/f", &[], b"");
    let get = |path: &str| {
        let mut client = Client::connect(server.admin).unwrap();
        client.ask(&format!("GET {path}"), &[], b"").unwrap()
    };
    let metrics = get("/metrics");
    for line in [
        r#"fsi_calls_total{tenant="default",function="f",code="OK"} 1"#,
        r#"fsi_instance_starts_total{tenant="default",function="f"} 1"#,
        r#"fsi_function_ready{tenant="default",function="f"} 1"#,
    ] {
        assert!(
            metrics.text().contains(line),
            "{line} in {}",
            metrics.text()
        );
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(
            (
                get(path).status,
                server.ask(&format!("GET {path}"), &[], b"").status
            ),
            (200, 200)
        );
    }
}

#[test]
fn who_reads_no_further_than_the_first_line_of_ps_has_seen_enough() {
    let server = Server::start(&[], |root| drop(shell(root, "f", "cat")));
    for options in [&[][..], &["--json"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_faas-runtime"))
            .args(["ps", "--admin", &server.admin.to_string()])
            .arg("--admin-token-file")
            .arg(server.token_file())
            .args(options)
            .stdout(writer)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
}
