//! SPEC 2: the client protocol, byte for byte.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use herd::clock::Clock;
use herd::config::Limits;
use herd::protocol::time::UnixTime;

use crate::client::{NOTHING, exchange, exchange_text};
use crate::running::{RunningHerd, Setup};

/// A server whose clock stands still until it is told another time, in nanoseconds.
async fn with_clock(now: u64) -> (RunningHerd, Arc<AtomicU64>) {
    let time = Arc::new(AtomicU64::new(now));
    let shown = Arc::clone(&time);
    let clock = Clock::from_fn(move || UnixTime::new(Duration::from_nanos(shown.load(Ordering::Relaxed))));
    (RunningHerd::alone(Setup { clock, ..Setup::default() }).await, time)
}

#[tokio::test]
async fn the_assignments_example() {
    let (herd, _) = with_clock(1_621_464_828_223_371_889).await;
    let iamat = "IAMAT kiwi.cs.ucla.edu +34.068930-118.445127 1621464827.959498503\n";
    let expected = "AT Clark +0.263873386 kiwi.cs.ucla.edu +34.068930-118.445127 1621464827.959498503\n";
    assert_eq!(exchange_text(herd.clients_at(0), iamat).await, expected);
}

#[tokio::test]
async fn replies_to_a_connection_that_is_reset_are_nobody_elses() {
    let (herd, _) = with_clock(0).await;
    for _ in 0..20 {
        let mut gone = herd.client(0).await;
        assert_eq!(gone.ask("hello\n").await, "? hello\n");
        gone.send("a secret\n").await;
        // Closing then resets the connection: the server reads the line and cannot write the reply.
        socket2::SockRef::from(&gone.stream).set_linger(Some(Duration::ZERO)).unwrap();
        drop(gone);
        assert_eq!(exchange_text(herd.clients_at(0), "mine\n").await, "? mine\n");
    }
}

/// Against arithmetic that shares nothing with the server's: 128-bit integers and `format!`.
#[tokio::test]
async fn the_nine_decimals_are_exact() {
    let (herd, time) = with_clock(0).await;
    let mut client = herd.client(0).await;
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..2000 {
        let receipt = random.u64(0..2_000_000_000_000_000_000);
        let largest = [9, 2_000_000_000, 999_999_999_999][random.usize(..3)];
        let seconds = random.u64(0..=largest);
        let digits: String = (0..random.usize(0..12)).map(|_| random.digit(10)).collect();
        let point = if digits.is_empty() { "" } else { "." };
        time.store(receipt, Ordering::Relaxed);
        let stamp = format!("{seconds}{point}{digits}");
        let nanos: i128 = format!("{digits:0<9}")[..9].parse().unwrap();
        let difference = i128::from(receipt) - (i128::from(seconds) * 1_000_000_000 + nanos);
        let sign = if difference < 0 { '-' } else { '+' };
        let (whole, part) = (difference.abs() / 1_000_000_000, difference.abs() % 1_000_000_000);
        let reply = client.ask(format!("IAMAT x +1-1 {stamp}\n")).await;
        assert_eq!(reply, format!("AT Clark {sign}{whole}.{part:09} x +1-1 {stamp}\n"));
    }
}

#[tokio::test]
async fn all_six_white_space_bytes_separate_fields_and_do_not_count_at_both_ends() {
    let (herd, _) = with_clock(1_000_000_000).await;
    for space in [" ", "\t", "\r", "\x0b", "\x0c", " \t\r\x0b\x0c "] {
        let line = ["", "IAMAT", "x", "+1-1", "1", ""].join(space);
        let reply = exchange_text(herd.clients_at(0), format!("{line}\n")).await;
        assert_eq!(reply, "AT Clark +0.000000000 x +1-1 1\n", "{line:?}");
    }
    let reply = exchange_text(herd.clients_at(0), "IAMAT\nx +1-1 1\n").await;
    assert_eq!(reply, "? IAMAT\n? x +1-1 1\n", "LF, the sixth, ends the line");
}

#[tokio::test]
async fn every_other_byte_may_stand_in_a_client_id() {
    let (herd, _) = with_clock(1_000_000_000).await;
    let id: Vec<u8> = (0..=255).filter(|byte| !b" \t\n\r\x0b\x0c".contains(byte)).collect();
    let iamat = [b"IAMAT ", &id[..], b" +1-1 1\n"].concat();
    let at = [b"AT Clark +0.000000000 ", &id[..], b" +1-1 1\n"].concat();
    assert_eq!(exchange(herd.clients_at(0), &iamat).await, at);
    let whatsat = [b"WHATSAT ", &id[..], b" 1 0\n"].concat();
    assert_eq!(exchange(herd.clients_at(0), &whatsat).await, [&at[..], NOTHING.as_bytes()].concat());
}

#[tokio::test]
async fn operands_are_copied_byte_for_byte() {
    let (herd, _) = with_clock(2_000_000_000).await;
    let reply = exchange_text(herd.clients_at(0), "IAMAT a -00.10+001.000 0001.5000000000000\n").await;
    assert_eq!(reply, "AT Clark +0.500000000 a -00.10+001.000 0001.5000000000000\n");
}

#[tokio::test]
async fn a_clock_ahead_makes_the_difference_negative() {
    let (herd, _) = with_clock(1_000_000_000).await;
    let reply = exchange_text(herd.clients_at(0), "IAMAT a +1-1 1.000000001\n").await;
    assert_eq!(reply, "AT Clark -0.000000001 a +1-1 1.000000001\n");
}

#[tokio::test]
async fn an_iamat_is_answered_with_its_own_data_and_stored_only_if_newer() {
    let (herd, _) = with_clock(9_000_000_000).await;
    let mut client = herd.client(0).await;
    assert_eq!(client.ask("IAMAT a +1-1 5\n").await, "AT Clark +4.000000000 a +1-1 5\n");
    assert_eq!(client.ask("IAMAT a +2-2 4\n").await, "AT Clark +5.000000000 a +2-2 4\n");
    client.send("WHATSAT a 1 0\n").await;
    assert_eq!(client.reply().await.0, "AT Clark +4.000000000 a +1-1 5\n");
    assert_eq!(client.ask("IAMAT a +3-3 5.000000001\n").await, "AT Clark +3.999999999 a +3-3 5.000000001\n");
    client.send("WHATSAT a 1 0\n").await;
    assert_eq!(client.reply().await.0, "AT Clark +3.999999999 a +3-3 5.000000001\n");
}

#[tokio::test]
async fn a_last_line_without_newline_is_a_line() {
    let (herd, _) = with_clock(1_000_000_000).await;
    let reply = exchange_text(herd.clients_at(0), "IAMAT a +1-1 1\nIAMAT b +1-1 1").await;
    assert_eq!(reply, "AT Clark +0.000000000 a +1-1 1\nAT Clark +0.000000000 b +1-1 1\n");
    assert_eq!(exchange_text(herd.clients_at(0), "hello\r").await, "? hello\r\n");
}

#[tokio::test]
async fn at_half_close_with_nothing_read_the_server_just_closes() {
    let herd = RunningHerd::alone(Setup::default()).await;
    assert_eq!(exchange_text(herd.clients_at(0), "").await, "");
    assert_eq!(exchange_text(herd.clients_at(0), "x\n").await, "? x\n");
}

#[tokio::test]
async fn a_connection_stays_open_for_as_many_commands_as_come() {
    let (herd, _) = with_clock(1_000_000_000).await;
    let mut client = herd.client(0).await;
    for number in 0..1000 {
        let reply = client.ask(format!("IAMAT c{number} +1-1 1\n")).await;
        assert_eq!(reply, format!("AT Clark +0.000000000 c{number} +1-1 1\n"));
    }
    assert_eq!(herd.server(0).metric("herd_client_connections_accepted_total"), 1.0);
}

#[tokio::test]
async fn a_line_may_arrive_a_byte_at_a_time() {
    let (herd, _) = with_clock(1_000_000_000).await;
    let mut client = herd.client(0).await;
    for byte in b"IAMAT a +1-1 1\r\nWHATSAT a 1 0\n" {
        client.send([*byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.line().await, "AT Clark +0.000000000 a +1-1 1\n");
    assert_eq!(client.reply().await, ("AT Clark +0.000000000 a +1-1 1\n".into(), NOTHING.into()));
}

#[tokio::test]
async fn pipelined_commands_are_answered_in_order() {
    let (herd, _) = with_clock(1_000_000_000).await;
    let (mut commands, mut expected) = (String::new(), String::new());
    for number in 0..5000 {
        match number % 3 {
            0 => {
                commands += &format!("IAMAT c{number} +1-1 1\n");
                expected += &format!("AT Clark +0.000000000 c{number} +1-1 1\n");
            }
            1 => {
                commands += &format!("WHATSAT c{} 1 0\n", number - 1);
                expected += &format!("AT Clark +0.000000000 c{} +1-1 1\n{NOTHING}", number - 1);
            }
            _ => {
                commands += &format!("nonsense {number}\n");
                expected += &format!("? nonsense {number}\n");
            }
        }
    }
    let mut client = herd.client(0).await;
    let (mut read, mut write) = client.stream.split();
    let sent = async {
        tokio::io::AsyncWriteExt::write_all(&mut write, commands.as_bytes()).await.unwrap();
        tokio::io::AsyncWriteExt::shutdown(&mut write).await.unwrap();
    };
    let mut replies = String::new();
    let (_, read) = tokio::join!(sent, tokio::io::AsyncReadExt::read_to_string(&mut read, &mut replies));
    read.unwrap();
    assert!(replies == expected);
}

#[tokio::test]
async fn anything_else_is_answered_with_a_copy_by_table() {
    let (herd, _) = with_clock(1_000_000_000).await;
    let at = herd.clients_at(0);
    exchange(at, "IAMAT known +1-1 1\n").await;
    for invalid in [
        "",
        " ",
        "\t \x0b\x0c",
        "IAMAT",
        "iamat a +1-1 1",
        "IAMAT a +1-1",
        "IAMAT a +1-1 1 1",
        "IAMAT a 34.0-118.0 1",
        "IAMAT a +34.-118.0 1",
        "IAMAT a +.5-118.0 1",
        "IAMAT a +90.0000001+0 1",
        "IAMAT a +0-180.0000001 1",
        "IAMAT a +1-1/ 1",
        "IAMAT a +1e1-1 1",
        "IAMAT a +1-1 -1",
        "IAMAT a +1-1 1e9",
        "IAMAT a +1-1 nan",
        "IAMAT a +1-1 1234567890123",
        "WHATSAT known 51 1",
        "WHATSAT known 50.000000000000000000001 1",
        "WHATSAT known -1 1",
        "WHATSAT known 1 21",
        "WHATSAT known 1 -1",
        "WHATSAT known 1 1.5",
        "WHATSAT known 1",
        "WHATSAT known",
        "WHATSAT unknown 1 1",
        "AT Clark +0.000000000 known +2-2 2",
        "  two  spaces  ",
        "a\rb",
        "\u{fffd} \u{e9}\0",
    ] {
        assert_eq!(exchange_text(at, format!("{invalid}\n")).await, format!("? {invalid}\n"), "{invalid:?}");
        assert_eq!(exchange_text(at, format!("{invalid}\r\n")).await, format!("? {invalid}\n"), "{invalid:?} CR LF");
    }
    assert_eq!(exchange_text(at, "x\r\r\n").await, "? x\r\n", "one CR is part of the line's end");
    let reply = exchange_text(at, "WHATSAT known 1 0\n").await;
    assert_eq!(reply, format!("AT Clark +0.000000000 known +1-1 1\n{NOTHING}"), "nothing has changed");
}

#[tokio::test]
async fn invalid_commands_are_counted_by_reason() {
    let herd = RunningHerd::alone(Setup::default()).await;
    exchange(
        herd.clients_at(0),
        "\nIAMAT\nIAMAT a 1 1\nIAMAT a +1-1 x\nhello\nWHATSAT a 1 1\nWHATSAT a 51 1\nWHATSAT a 1 21\n",
    )
    .await;
    for reason in ["empty", "operands", "location", "stamp", "command", "unknown_client", "radius", "bound"] {
        let series = format!("herd_invalid_messages_total{{reason=\"{reason}\"}}");
        assert_eq!(herd.server(0).metric(&series), 1.0, "{reason}");
    }
    assert_eq!(herd.server(0).metric("herd_messages_received_total{kind=\"invalid\"}"), 8.0);
}

#[tokio::test]
async fn a_line_past_the_limit_gets_its_first_64_bytes_and_the_connection_goes_on() {
    let herd = RunningHerd::alone(Setup::default()).await;
    let limit = Limits::default().line;
    assert_eq!(limit, 64 << 10);
    let prefix: String = ('a'..='z').cycle().take(64).collect();
    let at_the_limit = format!("{prefix}{}", "x".repeat(limit - 64));
    let mut client = herd.client(0).await;
    assert_eq!(client.ask(format!("{at_the_limit}\n")).await, format!("? {at_the_limit}\n"));
    assert_eq!(client.ask(format!("{at_the_limit}x\n")).await, format!("? {prefix}\n"));
    assert_eq!(client.ask("next\n").await, "? next\n");
    assert_eq!(client.ask(format!("{prefix}\r{at_the_limit}\n")).await, format!("? {prefix}\n"), "no CR is cut off");
}

#[tokio::test]
async fn ten_megabytes_without_newline_are_answered_once_and_not_kept() {
    let herd = RunningHerd::alone(Setup::default()).await;
    let mut client = herd.client(0).await;
    let chunk = vec![b'x'; 1 << 20];
    for _ in 0..10 {
        client.send(&chunk).await;
    }
    assert_eq!(client.line().await, format!("? {}\n", "x".repeat(64)));
    client.send("y\nz\n").await;
    assert_eq!(client.line().await, "? z\n");
}

#[tokio::test]
async fn a_bound_of_0_and_a_radius_of_0_and_50_are_valid() {
    let (herd, _) = with_clock(1_000_000_000).await;
    let mut client = herd.client(0).await;
    client.ask("IAMAT a +1-1 1\n").await;
    for radius in ["0", "0.0", "50", "50.000", "0050"] {
        client.send(format!("WHATSAT a {radius} 00\n")).await;
        assert_eq!(client.reply().await, ("AT Clark +0.000000000 a +1-1 1\n".into(), NOTHING.into()));
    }
}

#[tokio::test]
async fn close_after_reply_closes_when_what_was_read_is_answered() {
    let herd = RunningHerd::alone(Setup { close_after_reply: true, ..Setup::default() }).await;
    let mut client = herd.client(0).await;
    client.send("one\ntwo\nthree").await;
    assert_eq!(client.rest().await, b"? one\n? two\n", "the client has not half-closed");
    assert_eq!(exchange_text(herd.clients_at(0), "four").await, "? four\n");
}
