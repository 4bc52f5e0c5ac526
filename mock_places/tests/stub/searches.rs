//! What requests get that do not fail by option.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use mock_places::{DUMMY_KEY, Options};

use crate::connection::{Connection, header};
use crate::{LOCATION, RADIUS, good_body, good_target, start, target};

fn body_of(connection: &mut Connection, target: &str) -> String {
    connection.send(target).expect("sent");
    let answer = connection.receive().expect("an answer");
    assert_eq!(answer.status(), 200, "{}", answer.head);
    let content_type = header(answer.head, "content-type");
    assert_eq!(content_type, Some("application/json; charset=UTF-8"));
    String::from_utf8(answer.body.to_vec()).expect("UTF-8")
}

#[test]
fn a_search_gets_its_places_and_is_counted() {
    let places = start(Options::default());
    let mut connection = Connection::open(places.address()).expect("connected");
    assert_eq!(body_of(&mut connection, &good_target()), good_body());
    let encoded = target("34.068930%2C-118.445127", RADIUS, DUMMY_KEY);
    assert_eq!(body_of(&mut connection, &encoded), good_body());
    assert_eq!(places.served(), 2);
}

#[test]
fn other_paths_are_not_found_and_not_counted() {
    let places = start(Options::default());
    let mut connection = Connection::open(places.address()).expect("connected");
    for target in ["/", "/maps/api/place/nearbysearch/xml", "/maps/api/place/nearbysearch/json/"] {
        connection.send(target).expect("sent");
        assert_eq!(connection.receive().expect("an answer").status(), 404, "{target}");
    }
    assert_eq!(places.served(), 0);
}

#[test]
fn a_key_is_needed_and_never_repeated() {
    let places = start(Options { key: Some("right-key".to_owned()), ..Options::default() });
    let mut connection = Connection::open(places.address()).expect("connected");
    let mut ask = |key| body_of(&mut connection, &target(LOCATION, RADIUS, key));
    assert_eq!(ask("right-key"), good_body());
    assert!(ask("").contains(r#""status" : "REQUEST_DENIED""#));
    let wrong = ask("wrong-key");
    assert!(wrong.contains(r#""status" : "REQUEST_DENIED""#));
    assert!(!wrong.contains("wrong-key") && !wrong.contains("right-key"), "{wrong}");
}

#[test]
fn bad_parameters_are_invalid_requests() {
    let places = start(Options::default());
    let mut connection = Connection::open(places.address()).expect("connected");
    for (location, radius) in [
        ("north", "500"),
        ("91,0", "500"),
        ("0,-180.5", "500"),
        // A plus sign that is not encoded is a space.
        ("+34,-118", "500"),
        (LOCATION, "0"),
        (LOCATION, "-1"),
        (LOCATION, "50001"),
        (LOCATION, "far"),
        (LOCATION, ""),
    ] {
        let body = body_of(&mut connection, &target(location, radius, DUMMY_KEY));
        assert!(body.contains(r#""status" : "INVALID_REQUEST""#), "{location} {radius}: {body}");
    }
}

#[test]
fn a_delay_is_kept_and_holds_nobody_else_up() {
    let delay = Duration::from_millis(100);
    let places = start(Options { delay: "100ms".parse().expect("a delay"), ..Options::default() });
    let begin = Instant::now();
    let open = |_| Connection::open(places.address()).expect("connected");
    let mut connections: Vec<_> = (0..20).map(open).collect();
    for connection in &mut connections {
        connection.send(&good_target()).expect("sent");
    }
    for connection in &mut connections {
        assert_eq!(connection.receive().expect("an answer").status(), 200);
        assert!(begin.elapsed() >= delay);
    }
    assert!(begin.elapsed() < 15 * delay, "one after the other it would take 20");
}

#[test]
fn dropping_it_closes_its_connections() {
    let places = start(Options::default());
    let mut stream = TcpStream::connect(places.address()).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
    drop(places);
    // The end, or a reset where the connection had not been accepted yet.
    let end = stream.read(&mut [0; 1]).or_else(|error| match error.kind() {
        ErrorKind::ConnectionReset => Ok(0),
        _ => Err(error),
    });
    assert_eq!(end.expect("it ends in time"), 0);
}
