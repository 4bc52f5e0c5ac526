//! A body that claims to come from Places.

use herd::protocol::command::MAX_BOUND;
use herd::protocol::places_json::PlacesBody;
use serde_json::Value;

use crate::json;

/// Any bytes as a body: accepted if it is one JSON object, and cut by byte range for each bound.
pub fn places_json(data: &[u8]) {
    let body = without_spare_newlines(data);
    let (taken, expected) = (PlacesBody::new(data.to_vec()), json::results(&body));
    let (Ok(taken), Some(results)) = (&taken, &expected) else {
        assert_eq!(taken.is_ok(), expected.is_some(), "is it an object? {:?}", body.escape_ascii().to_string());
        return;
    };
    let whole: Option<Value> = serde_json::from_slice(&body).ok();
    for bound in 1..=usize::try_from(MAX_BOUND).expect("a small number") {
        let mut out = b"before".to_vec();
        let count = taken.write(bound, &mut out);
        let written = out.strip_prefix(b"before").expect("what was there stays");
        assert_eq!(written.len(), count);
        if bound >= results.len() {
            assert_eq!(written, body, "bound {bound}");
            continue;
        }
        let (kept, last) = (results[bound - 1].end, results[results.len() - 1].end);
        assert_eq!(written, [&body[..kept], &body[last..]].concat(), "bound {bound}");
        assert_eq!(json::results(written).as_deref(), Some(&results[..bound]), "bound {bound}");
        if let Some(whole) = &whole {
            check_values(whole, written, bound);
        }
    }
}

/// The same by a parser of somebody else: `results` is shorter and nothing else changed.
fn check_values(whole: &Value, written: &[u8], bound: usize) {
    let mut expected = whole.clone();
    expected["results"].as_array_mut().expect("there are results").truncate(bound);
    assert_eq!(serde_json::from_slice::<Value>(written).expect("still JSON"), expected, "bound {bound}");
}

/// Every run of newlines becomes one; those at both ends go.
fn without_spare_newlines(data: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = data.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).collect();
    lines.join(&b'\n')
}
