//! `faas-oracle`: an adapter that knows every fixture by heart, as a filter (spec/probe.md, "An adapter").
//! With `--fault NAME` it misbehaves, to prove that the suite notices; `--list-faults` names the faults.

mod answer;
mod disfigure;

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use answer::Oracle;
use faas_conformance::fault::adapter::FAULTS;
use faas_conformance::fixture::{Fixture, Run, Truth, of_source};

/// What the suite asked.
#[derive(Default)]
struct Asked {
    source: String,
    fault: String,
    description: PathBuf,
    /// With `--reply`: the payload that is answered.
    answered: Option<Vec<u8>>,
}

fn main() -> ExitCode {
    let asked = asked();
    let mut stdin = Vec::new();
    std::io::stdin()
        .read_to_end(&mut stdin)
        .expect("stdin can be read");
    let delivery = std::fs::read_to_string(&asked.description).expect("the file can be read");
    let fixtures = of_source(&asked.source).expect("the fixtures can be read");
    let runs: Vec<Run<'_>> = fixtures.iter().flat_map(Fixture::runs).collect();
    let mut all = runs.iter().map(|run| &*run.fixture);
    let fits = |fixture: &&Fixture| {
        let payload = asked.answered.as_ref().unwrap_or(&stdin);
        let same = fixture.source == asked.source
            && fixture.delivery == delivery
            && fixture.payload == *payload;
        same && match &fixture.truth {
            Truth::Reply { answers, .. } => asked.answered.is_some() && answers.as_bytes() == stdin,
            _ => asked.answered.is_none(),
        }
    };
    let fixture = all.find(fits).expect("only fixtures are asked");
    match asked.fault.as_str() {
        "crashes" => std::process::abort(),
        "is-silent" => loop {
            std::thread::park();
        },
        _ => {}
    }
    let answer = Oracle::new(fixture).answer(&asked.fault, runs_before(&asked, &stdin));
    // Whether anybody listens is not what is tried here.
    let _ = std::io::stderr().write_all(answer.stderr.as_bytes());
    let _ = std::io::stdout().write_all(answer.stdout.as_bytes());
    ExitCode::from(answer.exit)
}

/// How often in a row this delivery came before: what an adapter with a memory knows.
fn runs_before(asked: &Asked, payload: &[u8]) -> usize {
    if asked.fault != "remembers" {
        return 0;
    }
    let memory = asked.description.with_extension("memory");
    let before = std::fs::read(&memory).is_ok_and(|before| before == payload);
    std::fs::write(&memory, payload).expect("a note can be written");
    before.into()
}

fn asked() -> Asked {
    let mut asked = Asked::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut next = || words.next().expect("a value follows");
        match word.as_str() {
            "--list-faults" => {
                for fault in FAULTS {
                    println!("{}\t{:?}\t{}", fault.name, fault.breaks, fault.what);
                }
                std::process::exit(0);
            }
            "--fault" => asked.fault = next(),
            "--delivery" => asked.description = next().into(),
            "--payload" => {
                asked.answered = Some(std::fs::read(next()).expect("the file can be read"));
            }
            "--reply" => {}
            source => asked.source = source.to_owned(),
        }
    }
    asked
}
