//! Which file a command's first word is, and why it can't be executed.

use std::ffi::CString;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::spawn::c_string;

/// The files that the word may mean, in the order in which they are tried.
pub(super) fn candidates(word: &str, folder: &Path, path: &str) -> Result<Vec<CString>, String> {
    if word.is_empty() {
        return Err("its name is empty; name a program in the manifest's `command`".into());
    }
    let files: Vec<PathBuf> = if word.contains('/') {
        vec![folder.join(word)]
    } else {
        // An empty entry of PATH is the current folder, as in a shell.
        path.split(':')
            .map(|dir| folder.join(dir).join(word))
            .collect()
    };
    files
        .iter()
        .map(|file| c_string(file.as_os_str().as_bytes(), "its name"))
        .collect()
}

/// Says in words why none of the candidates could be executed, as far as the host can see it.
pub(super) fn why(word: &str, folder: &Path, path: &str, errno: i32) -> String {
    let by_path = !word.contains('/');
    let file = if by_path {
        let dirs = path.split(':').map(|dir| folder.join(dir).join(word));
        dirs.into_iter().find(|file| file.is_file())
    } else {
        Some(folder.join(word)).filter(|file| file.exists())
    };
    match (errno, file) {
        (libc::ENOENT, None) if by_path => {
            format!("there is no such program in PATH ({path}); install it, or give a path from the manifest's folder, such as `./{word}`")
        }
        (libc::ENOENT, None) => format!("there is no such file in {}", folder.display()),
        (libc::ENOENT, Some(file)) => match interpreter(&file) {
            Some(interpreter) => format!("its interpreter {interpreter} is not there"),
            None => "its loader, or a file that it needs to start, is not there".into(),
        },
        (libc::EACCES, Some(file)) if file.is_dir() => "it is a folder, not a program".into(),
        (libc::EACCES, _) => "the file may not be executed; give it the right to be (chmod +x), and its folders the right to be entered".into(),
        (libc::ENOEXEC, _) => "the file is no program for this machine; a script needs a first line such as `#!/bin/sh`".into(),
        (libc::E2BIG, _) => "its arguments and environment are larger than the system allows".into(),
        (errno, _) => std::io::Error::from_raw_os_error(errno).to_string(),
    }
}

/// What the first line of a script names.
fn interpreter(file: &Path) -> Option<String> {
    const LINE: usize = 256;
    let mut start = [0; LINE];
    let n = fs::File::open(file)
        .and_then(|mut file| file.read(&mut start))
        .ok()?;
    let line = start.get(..n)?.strip_prefix(b"#!")?;
    let line = line.split(|&b| b == b'\n').next()?;
    let text = String::from_utf8_lossy(line);
    Some(format!(
        "`{}`",
        text.split_ascii_whitespace().next()?.escape_default()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_means_from_the_folder_and_none_means_path() {
        let names = |word| -> Vec<String> {
            let found = candidates(word, Path::new("/f"), "/usr/bin:/bin").unwrap();
            found
                .iter()
                .map(|file| file.to_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(names("./a"), ["/f/./a"]);
        assert_eq!(names("b/a"), ["/f/b/a"]);
        assert_eq!(names("/a"), ["/a"]);
        assert_eq!(names("a"), ["/usr/bin/a", "/bin/a"]);
        assert!(candidates("", Path::new("/f"), "").is_err());
        assert!(candidates("a\0b", Path::new("/f"), "").is_err());
    }

    #[test]
    fn a_missing_interpreter_is_named() {
        let dir = super::super::super::tmpdir::TempDir::new().unwrap();
        fs::write(dir.path().join("a"), "#!/no/such -x\n").unwrap();
        assert!(why("./a", dir.path(), "", libc::ENOENT).contains("/no/such"));
        assert!(why("./b", dir.path(), "", libc::ENOENT).contains("no such file"));
    }
}
