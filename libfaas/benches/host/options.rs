//! The command line.

use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Options {
    /// Comparisons whose name has one of these; all where there are none.
    pub(crate) filters: Vec<String>,
    pub(crate) json: bool,
    pub(crate) list: bool,
    pub(crate) peers: bool,
    /// This process measures one comparison, for the one that prints the table.
    pub(crate) worker: bool,
    pub(crate) turns: usize,
    /// How long a contender is measured in one turn, about.
    pub(crate) turn: Duration,
}

const USAGE: &str = "\
cargo bench -p libfaas -- [NAME…] [--list] [--json] [--no-peers] [--turns N] [--turn-ms N]

NAME         only comparisons with one of these in their name
--list       their names
--json       JSON instead of a table
--no-peers   without other projects' programs, which are built at the first time
--turns N    turns that each contender has, of which the median counts; default 15
--turn-ms N  how long one turn lasts, about; default 25";

impl Options {
    pub(crate) fn parse(arguments: Vec<String>) -> Result<Options, String> {
        let mut options = Options {
            filters: Vec::new(),
            json: false,
            list: false,
            peers: true,
            worker: false,
            turns: 15,
            turn: Duration::from_millis(25),
        };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut number = || {
                let value = arguments.next().and_then(|value| value.parse().ok());
                let expected = format!("{argument}: expected a number above 0\n\n{USAGE}");
                value.filter(|&number: &u64| number > 0).ok_or(expected)
            };
            match argument.as_str() {
                "--json" => options.json = true,
                "--list" => options.list = true,
                "--no-peers" => options.peers = false,
                "--worker" => options.worker = true,
                "--turns" => options.turns = number()? as usize,
                "--turn-ms" => options.turn = Duration::from_millis(number()?),
                flag if flag.starts_with('-') => {
                    return Err(format!("{flag}: no such option\n\n{USAGE}"));
                }
                _ => options.filters.push(argument),
            }
        }
        Ok(options)
    }

    pub(crate) fn wants(&self, id: &str) -> bool {
        let named = self.filters.iter().any(|filter| id.contains(filter));
        self.filters.is_empty() || named
    }
}
