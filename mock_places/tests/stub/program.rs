//! The program from outside.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::connection::Connection;
use crate::{LOCATION, RADIUS, good_body, good_target, target};

/// A running program, ended at the latest with its test.
struct Program {
    child: Child,
    address: SocketAddr,
}

impl Program {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("started");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let address = line
            .strip_prefix("ready mock_places http=http://")
            .and_then(|address| address.trim_end().parse().ok())
            .unwrap_or_else(|| panic!("not a ready line: {line:?}"));
        Self { child, address }
    }

    fn body(&self, target: &str) -> String {
        let mut connection = Connection::open(self.address).expect("connected");
        connection.send(target).expect("sent");
        let answer = connection.receive().expect("an answer");
        String::from_utf8(answer.body.to_vec()).expect("UTF-8")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program with its options from the arguments only.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mock_places"));
    command.env_clear().args(arguments);
    command
}

/// Runs a program that must not come up: its exit code and what it says.
fn refused(mut command: Command) -> (Option<i32>, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("piped");
    BufReader::new(stdout).read_line(&mut line).expect("the end of the output");
    if !line.is_empty() {
        child.kill().expect("ended");
    }
    let Output { status, stderr, .. } = child.wait_with_output().expect("an end");
    assert_eq!(line, "", "it came up");
    (status.code(), String::from_utf8(stderr).expect("UTF-8"))
}

#[test]
fn it_says_when_it_is_up_and_ends_with_0_on_a_signal() {
    for signal in ["TERM", "INT"] {
        let mut program = Program::start(command(&["--listen", "127.0.0.1:0"]));
        assert_eq!(program.body(&good_target()), good_body());
        let id = program.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &id]).status();
        assert!(sent.expect("kill ran").success());
        assert_eq!(program.child.wait().expect("an end").code(), Some(0), "{signal}");
    }
}

#[test]
fn options_come_from_the_environment_too() {
    let mut command = command(&["--listen", "127.0.0.1:0"]);
    command.env("MOCK_PLACES_FAIL", "500:half");
    let (code, message) = refused(command);
    assert_eq!(code, Some(2));
    insta::assert_snapshot!(message);
}

#[test]
fn a_key_file_is_asked_for() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    writeln!(file, "right-key").expect("written");
    let program = Program::start(with_key_file(file.path()));
    assert_eq!(program.body(&target(LOCATION, RADIUS, "right-key")), good_body());
    assert!(program.body(&good_target()).contains("REQUEST_DENIED"));
}

#[test]
fn what_prevents_a_start_is_one_sentence_and_1() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let in_use = format!(
        "mock_places: {address} is already in use; stop the program that listens there or choose another address\n"
    );
    assert_eq!(refused(command(&["--listen", &address])), (Some(1), in_use));
    let (code, message) = refused(with_key_file(Path::new("/does/not/exist")));
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(message);
    let empty = tempfile::NamedTempFile::new().expect("a file");
    let (code, message) = refused(with_key_file(empty.path()));
    assert_eq!(code, Some(1));
    assert!(message.contains("is empty; write the key into it"), "{message}");
}

fn with_key_file(file: &Path) -> Command {
    let mut command = command(&["--listen", "127.0.0.1:0", "--require-key-file"]);
    command.arg(file);
    command
}

#[test]
fn wrong_usage_is_2() {
    for arguments in [["--delay", "soon"], ["--fail", "404:1%"], ["--threads", "0"], ["--key", "secret"]] {
        let mut command = command(&["--listen", "127.0.0.1:0"]);
        command.args(arguments);
        assert_eq!(refused(command).0, Some(2), "{arguments:?}");
    }
}

#[test]
fn the_help_gives_defaults_and_units() {
    let output = command(&["--help"]).output().expect("it ran");
    assert_eq!(output.status.code(), Some(0));
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stdout));
}
