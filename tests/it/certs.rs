//! `server certs` and what starts with it: TLS from the command line.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use tempfile::TempDir;

use crate::certificates::Certificates;
use crate::client::exchange_text;
use crate::process::{Process, free_port, output, server};

/// A herd of two and an observer at ports that are free.
fn herd_file(folder: &Path, host: &str) -> String {
    let mut text = "links = [[\"Bona\", \"Clark\"]]\nobservers = [\"tap\"]\n".to_owned();
    for name in ["Bona", "Clark"] {
        let [clients, peers, metrics] = [(); 3].map(|()| free_port());
        text += &format!(
            "[servers.{name}]\nclients = \"127.0.0.1:{clients}\"\npeers = \"{host}:{peers}\"\nmetrics = \"127.0.0.1:{metrics}\"\n"
        );
    }
    let path = folder.join("herd.toml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().into()
}

async fn certs(out: &Path, herd: &str) -> Output {
    output(server(["certs", "--days", "2", "--out", out.to_str().unwrap(), "--herd", herd])).await
}

#[tokio::test]
async fn certs_makes_a_set_and_says_how_to_use_it() {
    let folder = TempDir::new().unwrap();
    let herd = herd_file(folder.path(), "127.0.0.1");
    let out = folder.path().join("new/certs");
    let made = certs(&out, &herd).await;
    let report = String::from_utf8(made.stdout).unwrap();
    insta::assert_snapshot!(report.replace(folder.path().to_str().unwrap(), "FOLDER"));
    for file in fs::read_dir(&out).unwrap() {
        let (name, mode) = file.map(|file| (file.file_name(), file.metadata().unwrap().permissions().mode())).unwrap();
        let is_key = name.to_str().unwrap().ends_with("key.pem");
        assert_eq!(mode & 0o777, if is_key { 0o600 } else { 0o644 }, "{}", name.display());
    }
    let mut running = Vec::new();
    for line in report.lines().filter_map(|line| line.strip_prefix("  server ")) {
        let mut command = server(line.split(' '));
        command.args(["--no-log", "--places-url", "mock"]);
        running.push(Process::start(command).await);
    }
    exchange_text(running[0].address("clients"), "IAMAT secured +1-1 1\n").await;
    while !exchange_text(running[1].address("clients"), "WHATSAT secured 1 0\n").await.starts_with("AT Bona ") {}
}

#[tokio::test]
async fn certs_overwrites_nothing() {
    let folder = TempDir::new().unwrap();
    let herd = herd_file(folder.path(), "127.0.0.1");
    let there = folder.path().join("Clark.key.pem");
    fs::write(&there, "precious").unwrap();
    let made = certs(folder.path(), &herd).await;
    assert_eq!(made.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(made.stderr).unwrap(),
        format!(
            "server: {} is there already and is not overwritten: choose another folder with --out\n",
            there.display()
        )
    );
    assert_eq!(fs::read_to_string(there).unwrap(), "precious");
    assert!(!folder.path().join("ca.pem").exists(), "all or none");
}

#[tokio::test]
async fn a_peer_port_that_others_reach_starts_with_tls() {
    let certificates = Certificates::of(&["Clark"]);
    let folder = TempDir::new().unwrap();
    // `Process::clark` names the peer port, and an option may come once: the environment it is.
    let address = "127.0.0.1:0";
    let mut command = server(["Clark", "--clients", address, "--peers", "0.0.0.0:0", "--metrics", address]);
    command.args(["--places-url", "mock", "--log-dir"]).arg(folder.path());
    let files = certificates.files("Clark");
    for (variable, file) in [("HERD_TLS_CERT", files.cert), ("HERD_TLS_KEY", files.key), ("HERD_TLS_CA", files.ca)] {
        command.env(variable, file);
    }
    let clark = Process::start(command).await;
    assert!(clark.address("peers").ip().is_unspecified());
}

#[tokio::test]
async fn a_neighbour_elsewhere_is_not_dialled_without_tls() {
    let folder = TempDir::new().unwrap();
    let herd = herd_file(folder.path(), "192.0.2.1");
    let options = ["Bona", "--no-log", "--places-url", "mock", "--peers", "127.0.0.1:0", "--herd", &herd];
    let refused = output(server(options)).await;
    let words = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let (start, end) = words.split_once(" at 192.0.2.1:").unwrap();
    assert_eq!(start, "server: Clark is to be dialled");
    assert_eq!(
        end.trim_start_matches(|c: char| c.is_ascii_digit()),
        ", which is not on this machine, and a link without TLS believes whoever answers: give --tls-cert, --tls-key and --tls-ca \
         (`server certs --out DIR` makes a set to try), or have the herd file name the end on loopback of a tunnel to it\n"
    );
}

#[tokio::test]
async fn a_key_that_everybody_may_read_is_refused_and_one_for_the_group_is_not() {
    let certificates = Certificates::of(&["Clark"]);
    let folder = TempDir::new().unwrap();
    let options = certificates.options("Clark");
    let options: Vec<&str> = ["--places-url", "mock"].into_iter().chain(options.iter().map(String::as_str)).collect();
    let key = certificates.files("Clark").key;
    let may = |mode| fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
    may(0o640);
    drop(Process::clark(&folder, &options).await);
    may(0o644);
    let refused = output(server(["Clark"].iter().chain(&options))).await;
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(refused.stderr).unwrap(),
        format!(
            "server: the key {} is open to every user of this machine (mode 0644): take that away with chmod o= and, if it was open for long, make a new one\n",
            key.display()
        )
    );
}
