//! `server certs`: a CA and certificates for a herd, to try TLS with.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use herd::config::Herd;
use herd::protocol::text::Name;
use herd::tls::{Authority, Pair, Validity};

use super::check;
use super::cli::Certs;

/// Files that no name of a server can be the beginning of.
const CA_CERT: &str = "ca.pem";
const CA_KEY: &str = "ca-key.pem";
/// Everybody may read a certificate, only its owner a key.
const CERT_MODE: u32 = 0o644;
const KEY_MODE: u32 = 0o600;

/// A file to write.
struct Planned {
    path: PathBuf,
    text: String,
    mode: u32,
}

pub(crate) fn run(options: &Certs) -> anyhow::Result<()> {
    let herd = check::read(options.herd.as_deref())?;
    let files = plan(&herd, options).context("cannot make certificates")?;
    write(&options.out, &files)?;
    // Whoever closed our output has seen enough.
    let _ = std::io::stdout().write_all(report(&herd, options).as_bytes());
    Ok(())
}

fn cert_file(name: &Name) -> String {
    format!("{name}.cert.pem")
}

fn key_file(name: &Name) -> String {
    format!("{name}.key.pem")
}

fn servers(herd: &Herd) -> impl Iterator<Item = &Name> {
    herd.servers().iter().map(|server| &server.name)
}

fn plan(herd: &Herd, options: &Certs) -> anyhow::Result<Vec<Planned>> {
    let validity = Validity::days(options.days);
    let authority = Authority::new(&validity)?;
    let mut files = Vec::new();
    let mut add = |Pair { cert, key }, cert_name: &str, key_name: &str| {
        files.push(Planned { path: options.out.join(cert_name), text: cert, mode: CERT_MODE });
        files.push(Planned { path: options.out.join(key_name), text: key, mode: KEY_MODE });
    };
    add(authority.pair(), CA_CERT, CA_KEY);
    for name in servers(herd).chain(herd.observers()) {
        add(authority.issue(std::slice::from_ref(name), &validity)?, &cert_file(name), &key_file(name));
    }
    Ok(files)
}

fn write(folder: &Path, files: &[Planned]) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    // All or none, as far as that can be told beforehand.
    if let Some(there) = files.iter().find(|file| file.path.symlink_metadata().is_ok()) {
        bail!("{} is there already and is not overwritten: choose another folder with --out", there.path.display());
    }
    for Planned { path, text, mode } in files {
        let created = OpenOptions::new().write(true).create_new(true).mode(*mode).open(path);
        created
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// What was made, and what to do with it.
fn report(herd: &Herd, options: &Certs) -> String {
    let Certs { out, herd: herd_file, days } = options;
    let ca = out.join(CA_CERT);
    let mut text = format!("Made in {}, valid for {days} days:\n\n", out.display());
    text +=
        &format!("  {CA_CERT}  {CA_KEY}   the CA; its key makes more certificates, keep it away from the servers\n");
    for name in servers(herd).chain(herd.observers()) {
        text += &format!("  {}  {}\n", cert_file(name), key_file(name));
    }
    text += "\nStart every server with its own; all of them, for a link has TLS at both ends or does not form:\n\n";
    let herd_option = herd_file.as_ref().map(|file| format!(" --herd {}", file.display())).unwrap_or_default();
    for name in servers(herd) {
        let [cert, key] = [cert_file(name), key_file(name)].map(|file| out.join(file));
        text += &format!(
            "  server {name}{herd_option} --tls-cert {} --tls-key {} --tls-ca {}\n",
            cert.display(),
            key.display(),
            ca.display()
        );
    }
    text
}
