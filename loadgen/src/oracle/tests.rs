//! Right answers pass; each kind of wrong answer is named.

use super::*;
use crate::movement::Walk;

const MS: u64 = 1_000_000;
const STAMP: u64 = 1_700_000_000_000_000_000;
const SPAN: Span = Span { written: STAMP, read: STAMP + MS };
const BODY: &str = "{\"results\":[],\"status\":\"OK\"}\n\n";

struct Bench {
    oracle: Oracle,
    position: Position,
}

fn bench() -> Bench {
    let mut rng = fastrand::Rng::with_seed(1);
    let servers = vec![b"Bona".to_vec(), b"Clark".to_vec()];
    let clients = ["c0", "c1"].map(|id| id.as_bytes().to_vec());
    let position = Walk::new(&mut rng).advance(0.0, &mut rng);
    Bench { oracle: Oracle::new(servers, clients.into_iter(), 0), position }
}

impl Bench {
    /// Client 0 tells Clark its place, and Clark acknowledges that at `now`.
    fn tell(&mut self, stamp: u64, now: u64) {
        self.oracle.tell(0, 1, stamp, self.position);
        let span = Span { written: stamp, read: stamp + MS };
        let reply = self.at("Clark", "+0.000500000", stamp);
        self.oracle.acknowledge(0, stamp, &reply, span, now).unwrap();
    }

    fn at(&self, server: &str, difference: &str, stamp: u64) -> Vec<u8> {
        let mut line = format!("AT {server} {difference} ").into_bytes();
        write_operands(&mut line, b"c0", self.position, stamp);
        line.push(b'\n');
        line
    }

    fn answer(&self, server: &str, difference: &str, stamp: u64) -> Vec<u8> {
        [&self.at(server, difference, stamp), BODY.as_bytes()].concat()
    }

    /// Asks a server about client 0 at `asked`.
    fn judge(&mut self, server: ServerId, asked: u64, reply: &[u8]) -> Result<Answer, String> {
        let ask = Ask { about: 0, server, on_own_connection: false, radius: 5, bound: 1 };
        let question = self.oracle.ask(ask, asked);
        self.oracle.judge(&question, reply).map_err(|wrong| wrong.what)
    }
}

#[test]
fn wrong_replies_to_an_iamat_by_table() {
    let mut other_place = bench();
    other_place.position = Walk::new(&mut fastrand::Rng::with_seed(9)).advance(0.0, &mut fastrand::Rng::with_seed(9));
    for (reply, expected) in [
        (bench().at("Bona", "+0.000500000", STAMP), "Clark answered for another server"),
        (bench().at("Clark", "+0.000500000", STAMP + 1), "the reply does not repeat the IAMAT's operands"),
        (other_place.at("Clark", "+0.000500000", STAMP), "the reply does not repeat the IAMAT's operands"),
        (
            bench().at("Clark", "-0.002000000", STAMP),
            "by its difference the IAMAT was received 2 ms before it was written",
        ),
        (
            bench().at("Clark", "+0.004000000", STAMP),
            "by its difference the IAMAT was received 3 ms after its reply was read",
        ),
        (bench().at("Clark", "+0.00050000", STAMP), "an IAMAT was not answered with an AT line"),
        (bench().at("Clark", "0.000500000", STAMP), "an IAMAT was not answered with an AT line"),
        (b"? IAMAT\n".to_vec(), "an IAMAT was not answered with an AT line"),
    ] {
        let mut bench = bench();
        bench.oracle.tell(0, 1, STAMP, bench.position);
        let wrong = bench.oracle.acknowledge(0, STAMP, &reply, SPAN, 0).unwrap_err();
        assert!(wrong.what.starts_with(expected), "{wrong}");
    }
}

#[test]
fn the_current_answer_is_right_at_both_servers() {
    let mut bench = bench();
    bench.tell(STAMP, MS);
    let answer = bench.answer("Clark", "+0.000500000", STAMP);
    assert_eq!(bench.judge(1, 2 * MS, &answer), Ok(Answer::Current));
    assert_eq!(bench.judge(0, 2 * MS, &answer), Ok(Answer::Current));
}

#[test]
fn an_older_answer_is_wrong_where_the_newer_was_acknowledged_and_stale_elsewhere() {
    let mut bench = bench();
    bench.tell(STAMP, MS);
    bench.tell(STAMP + 10, 3 * MS);
    let older = bench.answer("Clark", "+0.000500000", STAMP);
    assert_eq!(bench.judge(1, 4 * MS, &older).unwrap_err(), "Clark showed a newer update of this client before");
    assert_eq!(bench.judge(0, 4 * MS, &older), Ok(Answer::Stale(MS)));
    let late = 3 * MS + GRACE + MS;
    assert_eq!(
        bench.judge(0, late, &older).unwrap_err(),
        "Bona has not heard of an update that was acknowledged 5001 ms before"
    );
}

#[test]
fn what_a_server_has_shown_it_must_not_forget_unless_it_was_away() {
    let mut bench = bench();
    bench.tell(STAMP, MS);
    bench.tell(STAMP + 10, 3 * MS);
    let newer = bench.answer("Clark", "+0.000500000", STAMP + 10);
    let older = bench.answer("Clark", "+0.000500000", STAMP);
    assert_eq!(bench.judge(0, 4 * MS, &newer), Ok(Answer::Current));
    assert_eq!(bench.judge(0, 5 * MS, &older).unwrap_err(), "Bona showed a newer update of this client before");
    bench.oracle.connection_lost(0, 5 * MS);
    assert_eq!(bench.judge(0, 5 * MS, &older), Ok(Answer::Stale(2 * MS)));
}

#[test]
fn an_update_that_is_not_acknowledged_yet_may_be_seen_and_counts_from_then_on() {
    let mut bench = bench();
    bench.tell(STAMP, MS);
    bench.oracle.tell(0, 1, STAMP + 10, bench.position);
    let unacknowledged = bench.answer("Clark", "+0.000500000", STAMP + 10);
    assert_eq!(bench.judge(0, 2 * MS, &unacknowledged), Ok(Answer::Current));
    let reply = bench.at("Clark", "+0.000500001", STAMP + 10);
    let wrong = bench.oracle.acknowledge(0, STAMP + 10, &reply, SPAN, 3 * MS).unwrap_err();
    assert_eq!(wrong.what, "two AT lines of the same update have different differences");
}

#[test]
fn wrong_answers_to_a_whatsat_by_table() {
    for (reply, expected) in [
        (
            bench().answer("Clark", "+0.000500000", STAMP + 1),
            "the answer has a time stamp that the client did not send",
        ),
        (bench().answer("Bona", "+0.000500000", STAMP), "the answer names a server that the client did not tell"),
        (bench().answer("Clark", "+0.000500001", STAMP), "two AT lines of the same update have different differences"),
        (b"? WHATSAT c0 5 1\n".to_vec(), "Clark showed a newer update of this client before"),
        (b"? WHATSAT c0 5 2\n".to_vec(), "an invalid command was not answered with its copy"),
        (b"AT Clark\n{}\n\n".to_vec(), "a WHATSAT was not answered with an AT line"),
        ([&bench().at("Clark", "+0.000500000", STAMP)[..], b"{\n\n"].concat(), "the JSON is broken"),
    ] {
        let mut bench = bench();
        bench.tell(STAMP, MS);
        let what = bench.judge(1, 2 * MS, &reply).unwrap_err();
        assert!(what.starts_with(expected), "{what}");
    }
}

#[test]
fn a_server_that_has_not_heard_of_a_client_yet_is_stale() {
    let mut bench = bench();
    assert_eq!(bench.judge(0, 0, b"? WHATSAT c0 5 1\n"), Ok(Answer::Current));
    bench.tell(STAMP, MS);
    assert_eq!(bench.judge(0, 2 * MS, b"? WHATSAT c0 5 1\n"), Ok(Answer::Stale(MS)));
}

#[test]
fn old_updates_are_forgotten_only_when_they_can_no_longer_be_right() {
    let mut bench = bench();
    for n in 0..100 {
        bench.tell(STAMP + n, n * GRACE / 10);
    }
    // All of the last ten seconds, and some more until there is a reason to look.
    let remembered = bench.oracle.clients[0].said.iter().count();
    assert!((20..=26).contains(&remembered), "{remembered}");
    assert!(bench.oracle.is_known(0) && !bench.oracle.is_known(1));
}

#[test]
fn an_answer_older_than_what_is_remembered_lacks_an_update_and_is_not_made_up() {
    let mut bench = bench();
    for n in 0..100 {
        bench.tell(STAMP + n, n * GRACE / 10);
    }
    for (server, stamp, expected) in [
        (0, STAMP, "Bona has not heard of an update that was acknowledged"),
        (1, STAMP, "Clark showed a newer update of this client before"),
        (0, STAMP + 1000, "the answer has a time stamp that the client did not send"),
    ] {
        let answer = bench.answer("Clark", "+0.000500000", stamp);
        let found = bench.judge(server, 10 * GRACE, &answer).unwrap_err();
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn who_asks_behind_an_update_of_their_own_gets_that_update() {
    let mut bench = bench();
    bench.tell(STAMP, MS);
    bench.oracle.tell(0, 1, STAMP + 10, bench.position);
    let ask = Ask { about: 0, server: 1, on_own_connection: true, radius: 5, bound: 1 };
    let question = bench.oracle.ask(ask, 2 * MS);
    let older = bench.answer("Clark", "+0.000500000", STAMP);
    assert!(bench.oracle.judge(&question, &older).is_err());
}

#[test]
fn what_only_a_dying_server_held_may_be_lost_and_nothing_else() {
    let mut bench = bench();
    bench.tell(STAMP, MS);
    bench.oracle.connection_lost(1, MS + HELD_ALONE + 1);
    assert!(!bench.oracle.may_be_lost(0), "others had time to hear of it");
    bench.tell(STAMP + 10, 3 * GRACE);
    bench.oracle.connection_lost(1, 3 * GRACE + MS);
    assert!(bench.oracle.may_be_lost(0));
    let older = bench.answer("Clark", "+0.000500000", STAMP);
    assert_eq!(bench.judge(0, 5 * GRACE, &older), Ok(Answer::Current));
}
