//! The `loadgen` program against servers that are right, wrong, slow or not there.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod observed;
mod self_test;
mod tap;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use loadgen::fake::{Behaviour, Fake, Fault};
use loadgen::report::Report;
use loadgen::series::{Phase, Second};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// What a run has left behind.
struct Run {
    code: Option<i32>,
    table: String,
    words: String,
    report: Option<Report>,
}

/// The program, aimed at one server, Clark.
fn loadgen(folder: &TempDir, port: u16, options: &[&str]) -> Command {
    let herd = folder.path().join("herd.toml");
    let text = format!(
        "[servers.Clark]\nclients = \"127.0.0.1:{port}\"\npeers = \"127.0.0.1:1\"\nmetrics = \"127.0.0.1:2\"\n"
    );
    std::fs::write(&herd, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    command.env_clear().arg("--herd").arg(herd).arg("--out").arg(folder.path().join("out.json"));
    let given = |option: &str| options.contains(&option);
    // How busy the machine is must not decide a test.
    if !given("--max-lag") {
        command.args(["--max-lag", "1h"]);
    }
    let paced = ["--interval", "--rate", "--closed"].into_iter().any(given);
    for [option, value] in [["--clients", "20"], ["--warm-up", "0s"], ["--duration", "1s"], ["--interval", "50ms"]] {
        let settled = given(option) || (option == "--interval" && paced);
        if !settled {
            command.args([option, value]);
        }
    }
    command.args(options);
    command
}

fn finished(folder: &TempDir, output: Output) -> Run {
    let json = std::fs::read(folder.path().join("out.json")).ok();
    Run {
        code: output.status.code(),
        table: String::from_utf8(output.stdout).unwrap(),
        words: String::from_utf8(output.stderr).unwrap(),
        report: json.map(|json| serde_json::from_slice(&json).unwrap()),
    }
}

fn run(fault: Fault, options: &[&str]) -> Run {
    let folder = TempDir::new().unwrap();
    let server = Fake::start(fault).unwrap();
    let output = loadgen(&folder, server.port, options).output().unwrap();
    finished(&folder, output)
}

#[test]
fn a_right_server_is_found_right() {
    let run = run(Fault::None, &["--whatsat", "30%", "--unknown", "20%"]);
    assert_eq!(run.code, Some(0), "{}{}", run.table, run.words);
    let report = run.report.unwrap();
    assert_eq!((report.format.as_str(), report.version), ("herd-loadgen", 1));
    // 20 clients, 20 commands a second each, however late.
    assert_eq!(report.counts.sent, 400);
    assert_eq!((report.counts.wrong, report.counts.failed, report.counts.unverified), (0, 0, 0));
    let measured = report.iamat.response.count + report.whatsat.response.count;
    assert_eq!(measured, report.counts.sent);
    assert!(report.whatsat.response.count > 50);
    assert!(run.table.contains("wrong 0   lost updates 0"), "{}", run.table);
}

#[test]
fn the_series_adds_up_to_the_result() {
    let folder = TempDir::new().unwrap();
    let server = Fake::start(Fault::AnswersStale).unwrap();
    let file = folder.path().join("series.ndjson");
    let options = ["--whatsat", "50%", "--duration", "2s", "--ndjson", file.to_str().unwrap()];
    let run = finished(&folder, loadgen(&folder, server.port, &options).output().unwrap());
    let counts = run.report.unwrap().counts;
    let series = std::fs::read_to_string(file).unwrap();
    let seconds: Vec<Second> = series.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sum = |value: fn(&Second) -> u64| seconds.iter().map(value).sum::<u64>();
    assert!(seconds.len() >= 3, "{series}");
    assert_eq!(sum(|second| second.replies), counts.answered);
    assert_eq!(sum(|second| second.wrong) + sum(|second| second.lost), counts.wrong);
    assert!(counts.wrong > 0);
    assert!(seconds[0].response_p50 <= seconds[0].response_p99 && seconds[0].lag_p99.is_some());
    assert_eq!((seconds[0].phase, seconds[seconds.len() - 1].phase), (Phase::Measure, Phase::Verify));
}

#[test]
fn the_closed_loop_keeps_so_many_commands_under_way() {
    let run = run(Fault::None, &["--closed", "--pipeline", "4", "--whatsat", "10%", "--threads", "2"]);
    assert_eq!(run.code, Some(0), "{}{}", run.table, run.words);
    let report = run.report.unwrap();
    assert_eq!((report.plan.pace.as_str(), report.plan.pipeline), ("closed", Some(4)));
    assert!(report.iamat.response.count > 1000, "{}", run.table);
    let shares = &report.generator.busy;
    assert!(shares.len() == 2 && shares.iter().all(|share| (0.0..=1.0).contains(share)), "{shares:?}");
    assert!(report.iamat.response.min > 0.0, "nothing is sent before the run's clock goes");
}

#[test]
fn a_closed_loop_goes_on_where_its_connection_broke() {
    // Each connection is closed once, under its first commands.
    let fault = Behaviour { fault: Fault::HangsUp, times: 20, ..Behaviour::default() };
    let server = Fake::behaving(fault).unwrap();
    let folder = TempDir::new().unwrap();
    let options = ["--closed", "--pipeline", "2", "--whatsat", "0%", "--no-verify"];
    let run = finished(&folder, loadgen(&folder, server.port, &options).output().unwrap());
    let counts = run.report.unwrap().counts;
    assert!(counts.failed > 0 && counts.wrong == 0 && counts.answered > 1000, "{}", run.table);
}

#[test]
fn each_wrong_server_is_caught_with_its_sentence() {
    for (fault, sentence) in [
        (Fault::DropsADecimal, "an IAMAT was not answered with an AT line"),
        (Fault::Reorders, "the reply does not repeat the IAMAT's operands"),
        (Fault::AnswersStale, "Clark showed a newer update of this client before"),
        (Fault::CutsJson, "the JSON is broken"),
        (Fault::WrongName, "Clark answered for another server"),
        (Fault::SaysMore, "the server said something that it was not asked"),
        (Fault::TooMany, "there are 21 results where"),
    ] {
        // Commands of a client come close together, so that a server can mix them up; and wrong
        // answers weigh more than a missed objective.
        let run =
            run(fault, &["--whatsat", "50%", "--rate", "2000", "--timeout", "1s", "--slo", "iamat.response.p99<1ns"]);
        assert_eq!(run.code, Some(3), "{fault:?}: {}{}", run.table, run.words);
        assert!(run.table.contains(&format!("WRONG {sentence}")), "{fault:?}: {}", run.table);
    }
}

#[test]
fn objectives_decide_the_exit_code_of_a_run_that_is_right() {
    let met = run(
        Fault::None,
        &["--slo", "iamat.response.p50<10s", "--slo", "whatsat.service.p99.9<10s", "--whatsat", "20%"],
    );
    assert_eq!(met.code, Some(0), "{}", met.table);
    let missed = run(Fault::None, &["--slo", "iamat.response.p50<10s", "--slo", "iamat.service.p50<1ns"]);
    assert_eq!(missed.code, Some(99), "{}", missed.table);
    assert!(
        missed.table.contains("met    iamat.response.p50<10s") && missed.table.contains("MISSED iamat.service.p50<1ns")
    );
    let slos = missed.report.unwrap().slos;
    assert_eq!((slos[0].met, slos[1].met), (true, false));
}

#[test]
fn a_stall_of_the_server_is_felt_by_all_who_would_have_waited() {
    let stall = Duration::from_millis(400);
    let run = run(Fault::Stalls { at: 400, time: stall }, &["--duration", "2s"]);
    let response = run.report.unwrap().iamat.response;
    assert!(response.max >= stall.as_secs_f64() * 1e6, "{response:?}");
    // 400 ms of 2 s: a fifth of all commands were due meanwhile, and half of those waited for
    // more than half of it. A closed loop would have sent hardly any.
    assert!(response.p90 >= 150_000.0, "{response:?}");
}

#[test]
fn a_run_in_which_the_generator_itself_was_late_is_invalid() {
    let folder = TempDir::new().unwrap();
    let server = Fake::start(Fault::None).unwrap();
    let mut command = loadgen(&folder, server.port, &["--max-lag", "10ms"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    while server.commands.load(Ordering::Relaxed) < 10 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    kill_process(pid, Signal::CONT).unwrap();
    let run = finished(&folder, child.wait_with_output().unwrap());
    assert_eq!(run.code, Some(4), "{}", run.table);
    assert!(run.table.contains("INVALID: this program sent too late"), "{}", run.table);
}

#[test]
fn what_cannot_be_set_up_is_said_in_a_sentence() {
    let folder = TempDir::new().unwrap();
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let run = finished(&folder, loadgen(&folder, port, &[]).output().unwrap());
    assert_eq!(run.code, Some(1));
    assert_eq!(
        run.words,
        format!(
            "loadgen: cannot connect to Clark at 127.0.0.1:{port}: Connection refused (os error 111); is the herd running?\n"
        )
    );
    for (options, words) in [
        (["--slo", "fast"], "\"fast\" is no objective: write iamat, whatsat or invalid"),
        (["--whatsat", "2"], "must be between 0% and 100%, such as 1% or 0.5%"),
        (["--clients", "many"], "invalid value 'many' for '--clients <N>'"),
        (["--rate", "0..5"], "must be commands per second above 0, such as 5000 or 1000..50000"),
        (["--source", "here"], "must be an IPv4 network, such as 127.1.0.0/16"),
        (["--bound", "5..1"], "must be a whole number or a range of them, such as 5 or 0..20"),
        (["--pipeline", "4"], "the following required arguments were not provided:\n  --closed"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
        let run = finished(&folder, command.args(options).output().unwrap());
        assert_eq!(run.code, Some(2));
        assert!(run.words.contains(words), "{}", run.words);
    }
}

#[test]
fn what_does_not_fit_together_is_said_in_a_sentence() {
    let folder = TempDir::new().unwrap();
    for (options, words) in [
        (["--radius", "5..51", "--clients", "9"], "--radius must be within 0..50, and is 5..51"),
        (["--rate", "5", "--over", "1s"], "--over tells how long a rate changes, and --rate is one rate"),
        (["--rate", "5..9", "--over", "5s"], "the rate cannot change over 5s while 1s are measured"),
        (["--scenario", "missing.toml", "--clients", "9"], "cannot read the scenario missing.toml"),
    ] {
        let run = finished(&folder, loadgen(&folder, 9, &options).output().unwrap());
        assert_eq!(run.code, Some(1));
        assert!(run.words.contains(words), "{}", run.words);
    }
}

#[test]
fn a_rate_that_changes_is_offered_and_reported_in_steps() {
    let run = run(Fault::None, &["--rate", "100..500", "--over", "2s", "--duration", "2s"]);
    assert_eq!(run.code, Some(0), "{}{}", run.table, run.words);
    let report = run.report.unwrap();
    // 300 a second on average, and each of 20 clients may be one ahead or behind.
    assert!(report.counts.sent.abs_diff(600) <= 20, "{}", report.counts.sent);
    assert_eq!(report.plan.offered_per_second, Some(300.0));
    let counts: Vec<u64> = report.steps.iter().map(|step| step.response.count).collect();
    assert_eq!(counts.iter().sum::<u64>(), report.counts.sent);
    // A fifth of a second each, at 120 to 480 a second.
    assert!(counts.len() == 10 && counts[0].abs_diff(24) <= 20 && counts[9].abs_diff(96) <= 20, "{counts:?}");
    assert!(run.table.contains("open loop at 100 to 500 commands/s"), "{}", run.table);
}

#[test]
fn a_rate_that_meets_what_cannot_be_met_is_not_found() {
    let run = run(Fault::None, &["--find-max", "iamat.response.p99<1ns", "--rate", "20", "--duration", "200ms"]);
    assert_eq!(run.code, Some(99), "{}{}", run.table, run.words);
    assert!(run.words.contains("        5 commands/s  missed  "), "{}", run.words);
}

#[test]
fn connections_are_opened_no_faster_than_asked_for() {
    let started = std::time::Instant::now();
    let run = run(Fault::None, &["--connect-rate", "40"]);
    assert_eq!(run.code, Some(0), "{}{}", run.table, run.words);
    // 20 clients and a second of commands.
    assert!(started.elapsed() >= Duration::from_millis(19 * 25 + 1000));
}

/// Where a run says that it serves metrics.
fn metrics_address(words: &mut impl BufRead) -> String {
    let mut line = String::new();
    while !line.starts_with("metrics at http://") {
        line.clear();
        assert!(words.read_line(&mut line).unwrap() > 0, "no address");
    }
    line.trim().trim_start_matches("metrics at http://").trim_end_matches("/metrics").to_owned()
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_run_serves_its_figures_while_it_is_under_way() {
    let folder = TempDir::new().unwrap();
    let server = Fake::start(Fault::None).unwrap();
    let options = ["--metrics", "0", "--duration", "1h", "--whatsat", "20%", "--unknown", "50%"];
    let mut command = loadgen(&folder, server.port, &options);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut words = BufReader::new(child.stderr.take().unwrap());
    let address = metrics_address(&mut words);
    assert!(address.starts_with("127.0.0.1:"));
    let value = |text: &str, series: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{series} ")));
        line.unwrap_or_else(|| panic!("{series} is not in {text}")).parse::<f64>().unwrap()
    };
    let [iamats, whatsats] = ["iamat", "whatsat"]
        .map(|operation| format!("loadgen_replies_total{{operation=\"{operation}\",server=\"Clark\"}}"));
    let text = loop {
        let text = get(&address, "/metrics");
        if value(&text, &iamats) > 100.0 && value(&text, &whatsats) > 5.0 {
            break text;
        }
    };
    assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    for (series, expected) in [
        ("loadgen_wrong_total{server=\"Clark\"}", 0.0),
        ("loadgen_clients_connected", 20.0),
        ("loadgen_phase{phase=\"measure\"}", 1.0),
        ("loadgen_response_seconds_count{operation=\"iamat\"}", value(&text, &iamats)),
    ] {
        assert!((value(&text, series) - expected).abs() < 0.5, "{series} in {text}");
    }
    assert!(get(&address, "/").contains("/metrics") && get(&address, "/x").starts_with("HTTP/1.1 404"));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The numbers of the clients that a server has heard of, without the probe's.
fn client_numbers(server: &Fake) -> std::collections::BTreeSet<u32> {
    let known = server.known.lock().unwrap();
    let number = |id: &String| id.strip_prefix('c')?.split('.').next()?.parse().ok();
    known.keys().filter_map(number).collect()
}

#[test]
fn two_shards_have_different_clients_and_merge_into_one_run() {
    let folders = [(); 2].map(|()| TempDir::new().unwrap());
    let mut numbers = Vec::new();
    for (folder, shard) in folders.iter().zip(["1/2", "2/2"]) {
        let server = Fake::start(Fault::None).unwrap();
        let output = loadgen(folder, server.port, &["--shard", shard]).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        numbers.push(client_numbers(&server));
    }
    assert!(numbers[0].is_disjoint(&numbers[1]));
    assert_eq!(&numbers[0] | &numbers[1], (0..20).collect());

    let paths = folders.each_ref().map(|folder| folder.path().join("out.json"));
    let merged = folders[0].path().join("merged.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    let output = command.arg("merge").args(&paths).arg("--out").arg(&merged).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let read = |path: &std::path::Path| -> Report { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
    let [one, two, both] = [&paths[0], &paths[1], &merged].map(|path| read(path));
    assert_eq!((both.plan.clients, both.counts.sent), (20, one.counts.sent + two.counts.sent));
    assert_eq!(both.iamat.response.count, one.iamat.response.count + two.iamat.response.count);

    for (arguments, expected) in [
        (vec!["report".into(), merged.clone()], "20 clients on 1 server, "),
        (vec!["diff".into(), paths[0].clone(), paths[1].clone()], "IAMAT response p50"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_loadgen")).args(&arguments).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && printed.contains(expected), "{arguments:?}: {printed}");
    }
    let again = Command::new(env!("CARGO_BIN_EXE_loadgen")).arg("merge").args([&paths[0], &paths[0]]).output().unwrap();
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8(again.stderr).unwrap().contains("is there twice"));
}

#[test]
fn completions_and_the_manual_page_come_from_the_same_definitions_as_the_help() {
    for (arguments, expected) in [
        (vec!["completions", "bash"], "--whatsat"),
        (vec!["completions", "zsh"], "#compdef loadgen"),
        (vec!["man"], ".TH loadgen"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_loadgen")).args(&arguments).output().unwrap();
        assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains(expected), "{arguments:?}");
    }
}
