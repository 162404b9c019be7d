//! Running `faas-conformance` itself.

use std::path::Path;
use std::process::{Command, Output, Stdio};

pub(crate) const SAMPLE: &str =
    r#"{"specversion":"1.0","id":"1","source":"/me","type":"fsi.probe.echo","data":{"n":1}}"#;

/// The suite, in a folder of its own with a sample in it.
pub(crate) struct Suite {
    pub(crate) folder: tempfile::TempDir,
}

impl Suite {
    pub(crate) fn new() -> Suite {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        std::fs::write(folder.path().join("s.json"), SAMPLE).expect("it can be written");
        Suite { folder }
    }

    pub(crate) fn file(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("it can be written");
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_faas-conformance"));
        command
            .args(args)
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command.env("NO_COLOR", "1");
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the suite starts")
    }

    /// Judges a shell command in stream mode; what people see, without what differs from run to run.
    pub(crate) fn judge_stream(&self, shell: &str) -> String {
        self.judge(
            &["--mode", "stream", "--encoding", "json"],
            &["sh", "-c", shell],
        )
    }

    pub(crate) fn judge(&self, options: &[&str], command: &[&str]) -> String {
        let fixed = [
            "--sample",
            "s.json",
            "--seed",
            "1",
            "--timeout-scale",
            "0.1",
        ];
        let args = [&["function"], options, &fixed, &["--"], command].concat();
        let output = self.run(&args);
        let text = String::from_utf8(output.stderr).expect("people read text");
        format!(
            "{}exit {}\n",
            text.replace(&folder(self.folder.path()), "FOLDER"),
            output.status.code().expect("an exit status")
        )
    }
}

fn folder(path: &Path) -> String {
    path.canonicalize()
        .expect("it is there")
        .to_string_lossy()
        .into_owned()
}

/// Hides what differs between two runs, and what changes with every new case.
pub(crate) fn filters() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.add_filter(r" +\d+\.\d{3} s  ", " TIME  ");
    // Whether a process ends before or after a write to it, or its stdout before it, is chance.
    settings.add_filter(r"(?m)^ TIME  · (exited|was killed|stdout ended).*\n", "");
    settings.add_filter(r"\d+\.\d s\b", "N s");
    settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "DATE");
    settings.add_filter(r"\(pid \d+\)", "(pid N)");
    settings.add_filter(r"\d+ MiB", "N MiB");
    settings.add_filter(r"\d+ lines before", "N lines before");
    settings.add_filter(r"\d+ not run", "N not run");
    settings.add_filter(r"\d+ cases? not run", "N cases not run");
    settings
}
