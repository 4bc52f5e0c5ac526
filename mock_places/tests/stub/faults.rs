//! What requests get that fail by option.

use mock_places::{MockPlaces, Options};

use crate::connection::{Connection, announced_length};
use crate::{good_body, good_target, start};

fn failing(faults: &str) -> MockPlaces {
    start(Options { faults: faults.parse().expect("faults"), ..Options::default() })
}

#[test]
fn a_cut_body_ends_before_its_announced_length() {
    let places = failing("cut:100%");
    let whole = good_body();
    for _ in 0..20 {
        let mut connection = Connection::open(places.address()).expect("connected");
        connection.send(&good_target()).expect("sent");
        // It returns because the connection ends: the announced length never arrives.
        let answer = connection.receive().expect("the end of the connection");
        assert_eq!(answer.status(), 200, "{}", answer.head);
        assert_eq!(announced_length(answer.head), whole.len());
        assert!(!answer.body.is_empty() && answer.body.len() < whole.len());
        assert!(whole.as_bytes().starts_with(answer.body));
    }
    assert_eq!(places.served(), 20);
}

#[test]
fn the_mix_holds_over_http() {
    let places = failing("500:20%,429:10%,cut:10%");
    let (mut good, mut error, mut limited, mut cut) = (0, 0, 0, 0);
    let mut connection = Connection::open(places.address()).expect("connected");
    for _ in 0..500 {
        connection.send(&good_target()).expect("sent");
        let answer = connection.receive().expect("an answer");
        match answer.status() {
            500 => error += 1,
            429 => limited += 1,
            200 if answer.body.len() == announced_length(answer.head) => good += 1,
            200 => {
                cut += 1;
                connection = Connection::open(places.address()).expect("connected");
            }
            other => panic!("unexpected status {other}"),
        }
    }
    // The seed is fixed, and so is who fails.
    assert_eq!((good, error, limited, cut), (301, 93, 53, 53));
}

#[test]
fn garbage_is_whole_and_not_json() {
    let places = failing("garbage:100%");
    let mut connection = Connection::open(places.address()).expect("connected");
    for _ in 0..20 {
        connection.send(&good_target()).expect("sent");
        let answer = connection.receive().expect("an answer");
        assert_eq!((answer.status(), answer.body.len()), (200, announced_length(answer.head)));
        assert!(serde_json::from_slice::<serde_json::Value>(answer.body).is_err());
    }
}
