//! The replica beside a server: a Redis process of its own, which ends with it.

use std::path::Path;
use std::process::Stdio;

use anyhow::Context;
use herd::config::Address;
use tokio::process::{Child, Command};

/// A Redis that follows the primary for as long as this is held.
#[derive(Debug)]
pub(crate) struct Replica {
    _process: Child,
}

impl Replica {
    /// Starts a replica that listens at `address`.
    pub(crate) fn start(address: &Address, primary: &Address, folder: &Path) -> anyhow::Result<Self> {
        let port = address.port().to_string();
        let mut command = Command::new("setpriv");
        // It must not outlive a server that was killed: that would find its port in use when it returns.
        command.args(["--pdeathsig", "KILL", "redis-server"]);
        command.args(["--bind", address.host(), "--port", &port, "--loglevel", "warning"]);
        command.args(["--replicaof", primary.host(), &primary.port().to_string()]);
        command.args(["--save", "", "--appendonly", "no", "--repl-diskless-load", "swapdb"]);
        command.arg("--dir").arg(folder);
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start redis-server through setpriv: are redis-server and util-linux installed?")?;
        Ok(Self { _process: process })
    }
}
