//! The `server` program as a process of its own.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::running::PATIENCE;

/// A command line of the program that sees nothing of our environment but the path.
pub(crate) fn server<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_server"));
    command.env_clear().args(arguments).kill_on_drop(true).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The command line of Clark at free ports, with a log in `folder`.
pub(crate) fn clark(folder: &TempDir, options: &[&str]) -> Command {
    let address = "127.0.0.1:0";
    let mut command = server(["Clark", "--clients", address, "--peers", address, "--metrics", address]);
    command.arg("--log-dir").arg(folder.path()).args(options);
    command
}

/// Runs the program to its end.
pub(crate) async fn output(mut command: Command) -> Output {
    timeout(PATIENCE, command.output()).await.expect("the program ends in time").unwrap()
}

/// A server that has said that it is ready.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) lines: Lines<BufReader<ChildStdout>>,
    pub(crate) ready: String,
}

impl Process {
    /// Starts a server and waits until it is ready.
    pub(crate) async fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = timeout(PATIENCE, lines.next_line()).await.expect("a ready line in time").unwrap();
        let Some(ready) = ready else { panic!("no ready line: {}", Self::words(&mut child).await) };
        Self { child, lines, ready }
    }

    /// Clark alone, at free ports, with the stub and a log in `folder`.
    pub(crate) async fn clark(folder: &TempDir, options: &[&str]) -> Self {
        Self::start(clark(folder, options)).await
    }

    /// An address from the ready line: `clients`, `peers` or `metrics`.
    pub(crate) fn address(&self, what: &str) -> SocketAddr {
        let prefix = format!("{what}=");
        let field = self.ready.split(' ').find_map(|field| field.strip_prefix(&prefix));
        field.unwrap_or_else(|| panic!("{}", self.ready)).parse().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id().expect("the process runs")).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// Waits for the end and returns the exit code; `None` if a signal ended it.
    pub(crate) async fn exit_code(&mut self) -> Option<i32> {
        timeout(PATIENCE, self.child.wait()).await.expect("the process ends in time").unwrap().code()
    }

    /// Memory that is resident, in KiB.
    pub(crate) fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    async fn words(child: &mut Child) -> String {
        let mut words = String::new();
        child.stderr.take().unwrap().read_to_string(&mut words).await.unwrap();
        words
    }
}

/// A herd file for the herd of the assignment at ports that are free now.
pub(crate) fn herd_file(folder: &Path) -> std::path::PathBuf {
    let mut text = include_str!("../../src/config/built_in.toml").to_owned();
    for number in 0..5 {
        for (kind, base) in [("clients", 10_000), ("peers", 11_000), ("metrics", 12_000)] {
            let old = format!("{kind} = \"127.0.0.1:{}\"", base + number);
            assert!(text.contains(&old));
            text = text.replace(&old, &format!("{kind} = \"127.0.0.1:{}\"", free_port()));
        }
    }
    let path = folder.join("herd.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// A port below those that the system gives to outgoing connections, and that no other test of
/// this process gets.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let first = u16::try_from(std::process::id() % 10_000).unwrap();
        let port = 20_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Waits until nobody listens there.
pub(crate) async fn gone(address: SocketAddr) {
    let refused = async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, refused).await.unwrap_or_else(|_| panic!("somebody still listens at {address}"));
}
