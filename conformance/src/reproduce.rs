//! The command line that runs one case again.

use std::borrow::Cow;

use crate::runner::Settings;
use crate::target::Claim;

/// For a result's identifier, quoted for a POSIX shell.
pub fn line(claim: &Claim, settings: &Settings, id: &str) -> String {
    let kind = settings.kind.name();
    let mut words: Vec<String> = vec!["faas-conformance".into(), kind.into()];
    words.extend(claim.options.iter().cloned());
    words.extend([
        "--filter".into(),
        id.to_owned(),
        "--seed".into(),
        settings.seed.to_string(),
    ]);
    if settings.scale != 1.0 {
        words.extend(["--timeout-scale".into(), settings.scale.to_string()]);
    }
    if !claim.command.is_empty() {
        words.push("--".into());
        words.extend(claim.command.iter().cloned());
    }
    quoted(&words)
}

/// Words as a POSIX shell reads them back.
pub fn quoted(words: &[String]) -> String {
    let words: Vec<Cow<'_, str>> = words.iter().map(|w| quote(w)).collect();
    words.join(" ")
}

fn quote(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    // `#` begins a comment only at the start of a word.
    if !word.is_empty()
        && word
            .chars()
            .enumerate()
            .all(|(n, c)| plain(c) || c == '#' && n > 0)
    {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}
