//! The other process.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use crate::{Error, Options};

/// A process that is killed with this.
pub(crate) struct Server(Child);

impl Server {
    /// This program in another role, once it says that it is ready.
    pub(crate) fn start(role: &str, options: &Options, address: &str) -> Result<Server, Error> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([
            role,
            "--cores",
            &options.cores.to_string(),
            "--address",
            address,
        ]);
        command.stdout(Stdio::piped());
        let mut server = Server::spawn(command)?;
        let stdout = server.0.stdout.take().ok_or("no stdout")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        match line.trim() {
            "ready" => Ok(server),
            _ => Err(format!("{role} did not start").into()),
        }
    }

    pub(crate) fn spawn(mut command: Command) -> Result<Server, Error> {
        Ok(Server(command.stdin(Stdio::piped()).spawn()?))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Says that this server is ready, and ends the process when the one that started it ends.
pub(crate) fn ready() {
    println!("ready");
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
}

/// A folder for a socket, which is removed with this.
pub(crate) struct Folder(std::path::PathBuf);

impl Folder {
    pub(crate) fn new() -> Result<Folder, Error> {
        let path = std::env::temp_dir().join(format!("faas-peers-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Folder(path))
    }

    pub(crate) fn socket(&self) -> String {
        self.0.join("socket").display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
