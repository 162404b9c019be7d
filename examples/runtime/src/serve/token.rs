//! The bearer token of the admin API.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use constant_time_eq::constant_time_eq;

/// The variable that holds a token, in place of a file.
pub const VARIABLE: &str = "FAAS_RUNTIME_ADMIN_TOKEN";

/// Who has it may deploy and remove functions.
#[derive(Clone)]
pub struct Token(String);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Others than its owner can read the file.
    #[error(
        "the admin token {path} can be read by others (mode {mode:03o}); make it private with `chmod 600 {path}`, and replace it"
    )]
    Public {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Not what a token looks like.
    #[error("expected an admin token of 16 to 256 visible ASCII characters in {place}, got {came}")]
    Malformed {
        /// A file or a variable.
        place: String,
        /// How many bytes of what.
        came: String,
    },
    /// The file can't be read or made.
    #[error("the admin token {path}: {source}; name another file with --admin-token-file")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody said where it is, and there is no home.
    #[error(
        "no place for the admin token: neither --admin-token-file nor XDG_STATE_HOME nor HOME is set"
    )]
    Nowhere,
}

impl Token {
    /// The token in the variable, else in the file, which is made if it is not there.
    pub fn load_or_make(file: Option<&Path>) -> Result<Token, TokenError> {
        from_variable().unwrap_or_else(|| {
            let path = place(file)?;
            match make(&path) {
                Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => read(&path),
                Err(source) => Err(TokenError::Io { path, source }),
                Ok(token) => Ok(token),
            }
        })
    }

    /// The token in the variable, else in the file.
    pub fn load(file: Option<&Path>) -> Result<Token, TokenError> {
        from_variable().unwrap_or_else(|| read(&place(file)?))
    }

    /// Whether the value of an `Authorization` header is this token, in a time that does not tell
    /// how much of it was right.
    pub fn authorizes(&self, header: &[u8]) -> bool {
        const SCHEME: &[u8] = b"bearer ";
        header
            .split_at_checked(SCHEME.len())
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(SCHEME))
            .is_some_and(|(_, came)| constant_time_eq(came, self.0.as_bytes()))
    }

    /// The header that shows it.
    pub fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }

    fn new(text: &str, place: impl FnOnce() -> String) -> Result<Token, TokenError> {
        let text = text.trim_ascii_end();
        let visible = text.bytes().all(|b| b.is_ascii_graphic());
        if visible && (16..=256).contains(&text.len()) {
            return Ok(Token(text.to_owned()));
        }
        let kind = if visible { "" } else { ", not all visible" };
        let came = format!("{} bytes{kind}", text.len());
        Err(TokenError::Malformed {
            place: place(),
            came,
        })
    }
}

fn from_variable() -> Option<Result<Token, TokenError>> {
    let value = std::env::var_os(VARIABLE)?;
    Some(Token::new(&value.to_string_lossy(), || VARIABLE.to_owned()))
}

/// Where the token is if nobody says otherwise.
fn place(file: Option<&Path>) -> Result<PathBuf, TokenError> {
    let set = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let state = || set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")));
    match file {
        Some(file) => Ok(file.to_owned()),
        None => Ok(state()
            .ok_or(TokenError::Nowhere)?
            .join("faas-runtime/admin-token")),
    }
}

fn make(path: &Path) -> io::Result<Token> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    file.write_all(format!("{token}\n").as_bytes())?;
    Ok(Token(token))
}

fn read(path: &Path) -> Result<Token, TokenError> {
    let fail = |source| TokenError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(fail)?;
    let mode = file.metadata().map_err(fail)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(TokenError::Public {
            path: path.to_owned(),
            mode,
        });
    }
    let mut text = String::new();
    file.take(1024).read_to_string(&mut text).map_err(fail)?;
    Token::new(&text, || path.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/token");
        let made = Token::load_or_make(Some(&path)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let header = made.header();
        for again in [Token::load_or_make(Some(&path)), Token::load(Some(&path))] {
            assert!(again.unwrap().authorizes(header.as_bytes()));
        }
        assert_eq!(header.len(), "Bearer ".len() + 64);
    }

    #[test]
    fn only_the_whole_token_authorizes() {
        let token = Token::new("0123456789abcdef", String::new).unwrap();
        assert!(token.authorizes(b"bearer 0123456789abcdef"));
        for wrong in [
            "",
            "Bearer ",
            "Bearer",
            "0123456789abcdef",
            "Basic 0123456789abcdef",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdeg",
            "Bearer 0123456789abcdef ",
            "Bearer  0123456789abcdef",
        ] {
            assert!(!token.authorizes(wrong.as_bytes()), "{wrong:?}");
        }
    }

    #[test]
    fn a_file_that_others_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        assert!(matches!(
            Token::load(Some(&path)),
            Err(TokenError::Io { .. })
        ));
        fs::write(&path, "0123456789abcdef\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            Token::load(Some(&path)),
            Err(TokenError::Public { mode: 0o640, .. })
        ));
        fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
        assert!(Token::load(Some(&path)).is_ok());
    }

    #[test]
    fn short_and_strange_tokens_are_refused() {
        for text in [
            "",
            "short",
            "0123456789 abcdef",
            "0123456789abcd\u{e9}",
            &"x".repeat(257),
        ] {
            let fault = Token::new(text, || "here".into());
            assert!(matches!(fault, Err(TokenError::Malformed { .. })), "{text}");
        }
    }
}
