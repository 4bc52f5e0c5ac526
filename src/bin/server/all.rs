//! `server --all`: every server of a herd as a child process.

use std::ffi::OsString;
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use herd::protocol::text::Name;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::cli::Run;
use super::{check, lifeline};

/// How long the servers may take to stop, which they promise to do within 3 s.
const STOP: Duration = Duration::from_secs(4);

pub(crate) fn run(options: &Run) -> anyhow::Result<()> {
    let herd = check::read(options.herd.as_deref())?;
    let names: Vec<Name> = herd.servers().iter().map(|server| server.name.clone()).collect();
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(supervise(&names))
}

async fn supervise(names: &[Name]) -> anyhow::Result<()> {
    let stop = lifeline::watch(false)?;
    let mut children = JoinSet::new();
    for name in names {
        children.spawn(watch(name.clone(), start(name)?, stop.clone()));
    }
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            ended = children.join_next() => match ended {
                Some(ended) => {
                    let (name, status) = ended?;
                    let report = format!("server: {name} has ended ({status}); {} of {} go on\n", children.len(), names.len());
                    // In one write, for the servers write there too. Nobody has to be there to read it.
                    let _ = std::io::stderr().write_all(report.as_bytes());
                }
                None => bail!("all servers have ended"),
            },
        }
    }
    let all = async { while children.join_next().await.is_some() {} };
    if timeout(STOP, all).await.is_err() {
        bail!("some servers did not stop within {} s and were killed", STOP.as_secs());
    }
    Ok(())
}

/// Starts a server with our own options. Its standard input ends when we do, however we end.
fn start(name: &Name) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("cannot find the server program")?;
    let options = std::env::args_os().skip(1).filter(|option| option != "--all");
    Command::new(program)
        .args(options)
        .args([OsString::from("--stop-at-end-of-input"), name.as_str().into()])
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {name}"))
}

/// Waits for the end of a child, and asks for it when we are to stop. The child's standard
/// input stays open until then.
async fn watch(name: Name, mut child: Child, stop: CancellationToken) -> (Name, String) {
    let input = child.stdin.take();
    let status = tokio::select! {
        status = child.wait() => status,
        () = stop.cancelled() => {
            terminate(&child);
            child.wait().await
        }
    };
    drop(input);
    (name, status.map_or_else(|error| error.to_string(), |status| status.to_string()))
}

fn terminate(child: &Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may be about to end by itself.
        let _ = kill_process(pid, Signal::TERM);
    }
}
