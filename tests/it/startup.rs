//! DESIGN 2: what the program says when it starts, and when it does not.

use std::fs;

use tempfile::TempDir;

use crate::client::exchange_text;
use crate::process::{Process, gone, herd_file, output, server};
use rustix::process::Signal;

const KEY: &str = "a-key-for-the-environment";

/// The exit code and the words of a program that does not start.
async fn fails(arguments: &[&str]) -> (Option<i32>, String) {
    let output = output(server(arguments)).await;
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn every_mistake_at_the_start_has_its_sentence() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("wrong.toml"), "links = [[\"A\", \"B\"]]\n[servers.A]\nclients = \"127.0.0.1\"\n").unwrap();
    fs::write(path("typo.toml"), "[servers.A]\nclient = \"127.0.0.1:1\"\n").unwrap();
    fs::write(path("file"), "").unwrap();
    fs::write(path("two keys"), "one\ntwo\n").unwrap();
    let listening = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listening.local_addr().unwrap().to_string();
    let (wrong, typo, absent, file, two_keys) =
        (path("wrong.toml"), path("typo.toml"), path("absent.toml"), path("file"), path("two keys"));
    let at = |clients: &str, peers: &str, options: &[&str]| -> Vec<String> {
        let addresses = ["Clark", "--clients", clients, "--peers", peers, "--metrics", "127.0.0.1:0"];
        addresses.iter().chain(options).map(|argument| (*argument).to_owned()).collect()
    };
    let free = "127.0.0.1:0";
    let with = |options: &[&str]| at(free, free, options);
    for (arguments, expected) in [
        (
            vec!["Clarke".to_owned()],
            "server: there is no server \"Clarke\" in this herd: the servers are Bailey, Bona, Campbell, Clark, Jaquez\n".to_owned(),
        ),
        (
            at(&taken, free, &["--places-url", "mock"]),
            format!("server: cannot listen for clients at {taken}: the address is in use; is this server running already? Stop it, or choose another port\n"),
        ),
        (
            vec!["A".into(), "--herd".into(), absent.clone()],
            format!("server: cannot read the herd file {absent}: No such file or directory (os error 2)\n"),
        ),
        (
            vec!["A".into(), "--herd".into(), wrong.clone()],
            format!("server: herd file {wrong}, line 2: missing field `peers`\n"),
        ),
        (
            vec!["A".into(), "--herd".into(), typo.clone()],
            format!("server: herd file {typo}, line 2: unknown field `client`, expected one of `clients`, `peers`, `metrics`\n"),
        ),
        (
            with(&[]),
            "server: there is no key to Places: set GOOGLE_PLACES_API_KEY, or name a file that holds it with --places-key-file, or use the built-in stub with --places-url mock\n".into(),
        ),
        (
            with(&["--places-key-file", &absent]),
            format!("server: cannot read the Places key from {absent}: No such file or directory (os error 2)\n"),
        ),
        (
            with(&["--places-key-file", &two_keys]),
            format!("server: {two_keys} holds no Places key: one line of printable ASCII without spaces is expected\n"),
        ),
        (
            with(&["--places-url", "maps.googleapis.com"]),
            "server: --places-url maps.googleapis.com: it must be `mock` or begin with http:// or https:// and name a host, and hold no user, ? or #\n".into(),
        ),
        (
            with(&["--places-url", "mock", "--log-dir", &file]),
            format!("server: cannot write the log {file}/Clark.log: choose another folder with --log-dir, or none with --no-log: File exists (os error 17)\n"),
        ),
        (
            at(free, "0.0.0.0:0", &["--places-url", "mock"]),
            "server: peers = \"0.0.0.0:0\" can be reached from other machines, and a link without TLS believes any name: \
             give --tls-cert, --tls-key and --tls-ca (`server certs --out DIR` makes a set to try), \
             or listen on loopback, such as 127.0.0.1:0, and join machines by tunnels that end there (ssh -L, WireGuard with a local relay)\n".into(),
        ),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (code, words) = fails(&arguments).await;
        assert_eq!((code, words.as_str()), (Some(1), expected.as_str()), "{arguments:?}");
    }
}

#[tokio::test]
async fn wrong_usage_ends_with_2_and_says_what_is_wrong() {
    for (arguments, expected) in [
        (&[][..], "the following required arguments were not provided:\n  <NAME>"),
        (&["Clark", "--all"], "the argument '[NAME]' cannot be used with '--all'"),
        (
            &["Clark", "--max-line", "10B"],
            "invalid value '10B' for '--max-line <SIZE>': must be between 64 B and 16 MiB",
        ),
        (&["Clark", "--max-pipelined", "0"], "invalid value '0' for '--max-pipelined <N>': must be at least 1"),
        (
            &["Clark", "--whatsat-quota", "5"],
            "invalid value '5' for '--whatsat-quota <RATE>': it must be a whole number, at least 1, and a unit",
        ),
        (&["Clark", "--clients", "here"], "\"here\" is not an address: write HOST:PORT"),
        (&["Clark", "--unfinished-line", "60"], "invalid value '60' for '--unfinished-line <TIME>'"),
        (&["Clark", "--key", "x"], "unexpected argument '--key' found"),
        (&["Clark", "--tls-cert", "x", "--tls-key", "x"], "required arguments were not provided:\n  --tls-ca <FILE>"),
        (&["Clark", "--tls-key", "x", "--tls-ca", "x"], "required arguments were not provided:\n  --tls-cert <FILE>"),
        (&["certs"], "required arguments were not provided:\n  --out <DIR>"),
        (&["certs", "--out", "x", "--days", "0"], "invalid value '0' for '--days <N>': 0 is not in 1..=3650"),
        (&["check", "--heard", "x"], "unexpected argument '--heard' found"),
    ] {
        let (code, words) = fails(arguments).await;
        assert_eq!(code, Some(2), "{words}");
        assert!(words.contains(expected), "{words}");
    }
}

#[tokio::test]
async fn the_key_is_not_in_the_help() {
    let mut help = server(["--help"]);
    help.env("GOOGLE_PLACES_API_KEY", KEY);
    let help = output(help).await;
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(text.contains("GOOGLE_PLACES_API_KEY") && !text.contains(KEY));
}

#[tokio::test]
async fn one_command_with_the_stub_is_all_it_takes() {
    let folder = TempDir::new().unwrap();
    let mut clark = Process::clark(&folder, &["--places-url", "mock"]).await;
    let [clients, peers, metrics] = ["clients", "peers", "metrics"].map(|what| clark.address(what));
    assert_eq!(clark.ready, format!("ready Clark clients={clients} peers={peers} metrics={metrics}"));
    let said = exchange_text(clients, "IAMAT kiwi +34.068930-118.445127 1\nWHATSAT kiwi 10 5").await;
    let (at, rest) = said.split_once('\n').unwrap();
    let body = rest.strip_prefix(at).unwrap();
    let json: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(json["status"], "OK");
    assert_eq!(json["results"].as_array().unwrap().len(), 5);
    assert!(body.ends_with("}\n\n") && !body.trim_end().contains("\n\n"));
    assert_eq!(exchange_text(metrics, "GET /healthz HTTP/1.0\r\n\r\n").await.lines().last(), Some("ok"));
    clark.signal(Signal::TERM);
    assert_eq!(clark.exit_code().await, Some(0));
    let log = fs::read_to_string(folder.path().join("Clark.log")).unwrap();
    assert!(log.contains(" c1 < WHATSAT kiwi 10 5\n"), "{log}");
}

#[tokio::test]
async fn a_key_from_the_environment_or_a_file_will_do() {
    let folder = TempDir::new().unwrap();
    let address = "127.0.0.1:0";
    let arguments = ["Clark", "--no-log", "--clients", address, "--peers", address, "--metrics", address];
    let mut by_variable = server(arguments);
    by_variable.env("GOOGLE_PLACES_API_KEY", KEY).args(["--places-url", "http://127.0.0.1:1"]);
    Process::start(by_variable).await;
    let file = folder.path().join("key");
    fs::write(&file, format!("{KEY}\n")).unwrap();
    let mut by_file = server(arguments);
    by_file.arg("--places-key-file").arg(&file).env("HERD_PLACES_URL", "http://127.0.0.1:1");
    Process::start(by_file).await;
}

#[tokio::test]
async fn a_second_server_of_the_same_name_does_not_start() {
    let folder = TempDir::new().unwrap();
    let herd = herd_file(folder.path());
    let start = || {
        let mut command = server(["Clark", "--no-log", "--places-url", "mock", "--herd"]);
        command.arg(&herd);
        command
    };
    let _first = Process::start(start()).await;
    let second = output(start()).await;
    let words = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(words.contains("the address is in use; is this server running already?"), "{words}");
}

#[tokio::test]
async fn check_draws_the_herd() {
    let output = output(server(["check"])).await;
    assert_eq!(output.status.code(), Some(0));
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
}

#[tokio::test]
async fn check_names_the_mistake_in_a_herd_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("herd.toml");
    fs::write(&path, "links = [[\"A\", \"A\"]]\n[servers.A]\nclients = \"h:1\"\npeers = \"h:2\"\nmetrics = \"h:3\"\n")
        .unwrap();
    let (code, words) = fails(&["check", "--herd", path.to_str().unwrap()]).await;
    assert_eq!(code, Some(1));
    assert_eq!(words, format!("server: herd file {}, line 1: links: A is linked with itself\n", path.display()));
}

/// The process numbers of a process's children, by their command lines.
fn children(of: u32) -> Vec<(u32, String)> {
    let text = fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap();
    let ids = text.split_whitespace().map(|id| id.parse().unwrap());
    ids.map(|id: u32| (id, fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default())).collect()
}

/// The five servers of `server --all`.
async fn all(folder: &TempDir) -> (Process, Vec<std::net::SocketAddr>) {
    let mut command = server(["--all", "--no-log", "--places-url", "mock", "--herd"]);
    command.arg(herd_file(folder.path()));
    let mut all = Process::start(command).await;
    let mut addresses = vec![all.address("clients")];
    for _ in 1..5 {
        all.ready = all.lines.next_line().await.unwrap().unwrap();
        addresses.push(all.address("clients"));
    }
    (all, addresses)
}

#[tokio::test]
async fn all_runs_the_herd_and_goes_on_without_one_that_dies() {
    let folder = TempDir::new().unwrap();
    let (mut all, addresses) = all(&folder).await;
    let bona =
        children(all.child.id().unwrap()).into_iter().find(|(_, command)| command.ends_with("Bona\0")).unwrap().0;
    let pid = rustix::process::Pid::from_raw(i32::try_from(bona).unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    let mut words = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(all.child.stderr.take().unwrap()));
    let mut reported = String::new();
    while !reported.starts_with("server: ") {
        reported = words.next_line().await.unwrap().unwrap();
    }
    assert_eq!(reported, "server: Bona has ended (signal: 9 (SIGKILL)); 4 of 5 go on");
    let mut served = 0;
    for &address in &addresses {
        if tokio::net::TcpStream::connect(address).await.is_ok() {
            assert_eq!(exchange_text(address, "hello\n").await, "? hello\n");
            served += 1;
        }
    }
    assert_eq!(served, 4);
    all.signal(Signal::INT);
    assert_eq!(all.exit_code().await, Some(0));
    for address in addresses {
        gone(address).await;
    }
}

#[tokio::test]
async fn no_server_outlives_its_parent() {
    let folder = TempDir::new().unwrap();
    let (mut all, addresses) = all(&folder).await;
    all.signal(Signal::KILL);
    assert_eq!(all.exit_code().await, None);
    for address in addresses {
        gone(address).await;
    }
}

#[tokio::test]
async fn completions_and_the_manual_page_come_from_the_same_definitions_as_the_help() {
    for (arguments, expected) in [
        (&["completions", "bash"][..], "--places-url"),
        (&["completions", "fish"], "complete -c server"),
        (&["man"], ".TH server"),
    ] {
        let output = output(server(arguments)).await;
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && printed.contains(expected), "{arguments:?}: {printed}");
    }
}
