//! The test vectors of schemas/vectors, as cases for a codec.

use libfaas::Encoding;
use serde::Deserialize;
use serde_json::Value;

use crate::embedded;
use crate::error::{Error, Result};
use crate::select::Named;

/// Bytes, and what they mean or which rule they break.
#[derive(Clone, Debug)]
pub struct Vector {
    /// `ENCODING/SHAPE-VALIDITY/NAME`, with dashes for what is no letter or digit.
    pub id: String,
    /// The encoding of the bytes.
    pub encoding: Encoding,
    /// `event`, `message`, `events` or `messages`.
    pub shape: String,
    /// What it is about.
    pub why: String,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What they say, or the rule that they break.
    pub truth: Truth,
    /// The defect shows only to whoever remembers the messages before.
    pub stateful: bool,
}

/// What is right.
#[derive(Clone, Debug)]
pub enum Truth {
    /// They say this.
    Means(Value),
    /// They break this rule.
    Breaks(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    why: String,
    #[serde(rename = "origin")]
    _origin: String,
    bytes: Option<String>,
    text: Option<String>,
    meaning: Option<Value>,
    breaks: Option<String>,
    #[serde(rename = "severity")]
    _severity: Option<String>,
    #[serde(rename = "call")]
    _call: Option<u64>,
    #[serde(rename = "before")]
    _before: Option<usize>,
    #[serde(default)]
    stateful: bool,
}

/// All vectors, in the order of their files.
pub fn vectors() -> Result<Vec<Vector>> {
    let files = embedded::VECTORS
        .iter()
        .filter(|(file, _)| file.ends_with("valid"));
    let mut all = Vec::new();
    for (file, text) in files {
        let bad = |e: String| {
            Error::not_judged(
                format!("schemas/vectors/{file}.json can't be used: {e}"),
                "schemas/vectors/README.md describes its format",
            )
        };
        let rows: Vec<Row> = serde_json::from_str(text).map_err(|e| bad(e.to_string()))?;
        for row in rows {
            let name = row.name.clone();
            all.push(
                row.vector(file)
                    .map_err(|e| bad(format!("{name:?}: {e}")))?,
            );
        }
    }
    Ok(all)
}

impl Row {
    fn vector(self, file: &str) -> Result<Vector, String> {
        let (encoding, rest) = file
            .split_once('/')
            .ok_or("it stands in no encoding's folder")?;
        let (shape, _) = rest
            .split_once('-')
            .ok_or("its name is no SHAPE-VALIDITY")?;
        let bytes = match (self.text, self.bytes) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(hex)) => data_encoding::HEXLOWER
                .decode(hex.as_bytes())
                .map_err(|e| e.to_string())?,
            _ => return Err("it needs `text` or `bytes`".to_owned()),
        };
        let truth = match (self.meaning, self.breaks) {
            (Some(meaning), None) => Truth::Means(meaning),
            (None, Some(rule)) => Truth::Breaks(rule),
            _ => return Err("it needs `meaning` or `breaks`".to_owned()),
        };
        Ok(Vector {
            id: format!("{file}/{}", slug(&self.name)),
            encoding: encoding
                .parse()
                .map_err(|_| format!("there is no encoding {encoding}"))?,
            shape: shape.to_owned(),
            why: self.why,
            bytes,
            truth,
            stateful: self.stateful,
        })
    }
}

impl Vector {
    /// The rules that it tests.
    pub fn rules(&self) -> Vec<String> {
        let rules: &[&str] = match &self.truth {
            Truth::Means(_) if self.encodable() => &["codec-decode-valid", "codec-encode"],
            Truth::Means(_) => &["codec-decode-valid"],
            // That it goes on after an error is seen by the requests that follow.
            Truth::Breaks(rule) => &[rule.as_str(), "codec-reject-invalid", "codec-survives"],
        };
        rules.iter().map(|rule| (*rule).to_owned()).collect()
    }

    /// By what it is selected.
    pub fn named(&self) -> Named {
        Named {
            id: self.id.clone(),
            rules: self.rules(),
        }
    }

    /// Whether its meaning can be encoded: an invalid event in a stream can only be decoded.
    pub fn encodable(&self) -> bool {
        match &self.truth {
            Truth::Means(Value::Array(list)) => list.iter().all(|m| m.get("invalid").is_none()),
            Truth::Means(_) => true,
            Truth::Breaks(_) => false,
        }
    }
}

fn slug(name: &str) -> String {
    let dashed: String = name
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { '-' })
        .collect();
    dashed
        .split('-')
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("-")
        .to_lowercase()
}
