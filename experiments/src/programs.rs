//! Builds the workspace, once, and finds its programs by what cargo says of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use serde::Deserialize;

/// Where the workspace's programs are.
#[derive(Debug, Clone)]
pub struct Programs(BTreeMap<String, PathBuf>);

#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

impl Programs {
    /// Builds all programs in release mode; cargo shows its progress on standard error.
    ///
    /// # Errors
    /// If cargo cannot be run or a program does not build.
    pub fn build() -> anyhow::Result<Self> {
        Ok(Self(cargo_build(&["--bins"])?))
    }

    /// Builds an example of the workspace in release mode, and returns its path.
    ///
    /// # Errors
    /// If there is none of this name, or it does not build.
    pub fn example(name: &str) -> anyhow::Result<PathBuf> {
        let built = cargo_build(&["--example", name])?.remove(name);
        built.with_context(|| format!("cargo built no example named {name}"))
    }

    /// The path of a program.
    ///
    /// # Errors
    /// If the workspace has none of this name.
    pub fn path(&self, name: &str) -> anyhow::Result<&Path> {
        self.0.get(name).map(PathBuf::as_path).with_context(|| format!("cargo built no program named {name}"))
    }
}

/// Builds a part of the workspace in release mode; returns programs by their names.
fn cargo_build(what: &[&str]) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // What `cargo run` has told us about ourselves would make build scripts run again.
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(&variable);
        }
    }
    let built = command
        .current_dir(root())
        .args(["build", "--release", "--locked", "--workspace"])
        .args(what)
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo: is it on the PATH?")?;
    if !built.status.success() {
        bail!("the programs do not build ({})", built.status);
    }
    let messages = built.stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let mut programs = BTreeMap::new();
    for message in messages {
        let message: Message = serde_json::from_slice(message).context("cargo said what is not a message")?;
        if let (Some(executable), Some(target)) = (message.executable, message.target) {
            programs.insert(target.name, executable);
        }
    }
    Ok(programs)
}

/// The root of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}
