//! The README's commands do what it says that they do.

use std::process::Command;

use crate::server::{Server, python, rust};

/// The blocks of the README that begin with a fence of this language, each with the text after it.
fn commands(readme: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = readme.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push((language, block.join("\n")));
        }
    }
    let pairs = blocks
        .windows(2)
        .filter(|pair| pair[0].0 == "sh" && pair[1].0 == "text");
    pairs
        .map(|pair| (pair[0].1.clone(), pair[1].1.clone()))
        .collect()
}

#[test]
fn commands_print_what_stands_below_them() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("ignored: needs curl");
        return;
    }
    let server = Server::start(&[], |root| {
        python(root);
        rust(root);
    });
    let commands = commands(include_str!("../../README.md"));
    assert_eq!(commands.len(), 5);
    for (command, expected) in commands {
        let here = command
            .replace("127.0.0.1:8080", &server.gateway.to_string())
            .replace("127.0.0.1:8081", &server.admin.to_string())
            .replace(
                "$PWD/examples/functions",
                server.folder.path().to_str().unwrap(),
            )
            .replace(
                "${XDG_STATE_HOME:-$HOME/.local/state}/faas-runtime/admin-token",
                server.token_file().to_str().unwrap(),
            );
        let output = Command::new("sh").args(["-c", &here]).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(printed.trim_end(), expected, "{command}");
    }
}
