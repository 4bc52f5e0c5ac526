//! What of a Places body a client gets: the body byte for byte, cut to the bound it asked for.

use std::borrow::Cow;
use std::fmt;

use memchr::memmem;
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The body of an answer without results, as Places formats it.
pub const NO_RESULTS: &[u8] = b"{\n   \"html_attributions\" : [],\n   \"results\" : [],\n   \"status\" : \"OK\"\n}";

/// A Places body, ready to be cut for any bound.
#[derive(Debug)]
pub struct PlacesBody {
    bytes: Vec<u8>,
    /// Where each element of `results` ends.
    ends: Vec<usize>,
}

/// The bytes are not one JSON object in UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON object")]
pub struct NotAnObject;

impl PlacesBody {
    /// Takes the body that Places sent. Runs of newlines become one, and those around the
    /// JSON go (SPEC 2, WHATSAT); a newline cannot stand inside a JSON string.
    ///
    /// # Errors
    /// [`NotAnObject`], which counts as a failure of Places.
    pub fn new(mut bytes: Vec<u8>) -> Result<Self, NotAnObject> {
        collapse_newlines(&mut bytes);
        let text = str::from_utf8(&bytes).map_err(|_| NotAnObject)?;
        let ends = element_ends(text).map_err(|_| NotAnObject)?;
        Ok(Self { bytes, ends })
    }

    /// Appends the body with at most `bound` results and returns the number of bytes. Where
    /// there are more, the bytes from the end of the last one kept to the end of the last one
    /// are left out.
    ///
    /// # Panics
    /// If `bound` is 0: such a question is answered without asking Places.
    pub fn write(&self, bound: usize, out: &mut Vec<u8>) -> usize {
        assert!(bound > 0);
        let start = out.len();
        match (self.ends.get(bound - 1), self.ends.last()) {
            (Some(&kept), Some(&last)) => {
                out.extend_from_slice(&self.bytes[..kept]);
                out.extend_from_slice(&self.bytes[last..]);
            }
            _ => out.extend_from_slice(&self.bytes),
        }
        out.len() - start
    }
}

/// Drops every newline that follows a newline, and those at both ends of the bytes.
fn collapse_newlines(bytes: &mut Vec<u8>) {
    // Most bodies have none of them, and to find that out takes a fraction of looking at each byte.
    if bytes.starts_with(b"\n") || memmem::find(bytes, b"\n\n").is_some() {
        let mut previous = b'\n';
        bytes.retain(|&byte| {
            let keep = !(byte == b'\n' && previous == b'\n');
            previous = byte;
            keep
        });
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
}

/// Where each element of the object's `results` ends, in bytes from the start.
fn element_ends(body: &str) -> Result<Vec<usize>, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(body);
    let results = json.deserialize_map(ResultsOf)?;
    json.end()?;
    let Some(results) = results else { return Ok(Vec::new()) };
    let elements: Vec<&RawValue> = serde_json::from_str(results.get()).unwrap_or_default();
    let end = |element: &RawValue| {
        let text = element.get().as_bytes();
        text.as_ptr_range().end.addr() - body.as_ptr().addr()
    };
    Ok(elements.into_iter().map(end).collect())
}

/// Visits an object and keeps only the text of its `results`.
struct ResultsOf;

impl<'de> Visitor<'de> for ResultsOf {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut results = None;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if key == "results" {
                results = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(results)
    }
}

/// A body of the classic shape for a question that Places did not answer.
#[must_use]
pub fn failure(status: &str, message: &str) -> Vec<u8> {
    let message = serde_json::to_string(message).expect("text is always JSON");
    format!(
        "{{\n   \"error_message\" : {message},\n   \"html_attributions\" : [],\n   \"results\" : [],\n   \"status\" : \"{status}\"\n}}"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn cut(body: &str, bound: usize) -> String {
        let mut out = Vec::new();
        let written = PlacesBody::new(body.into()).unwrap().write(bound, &mut out);
        assert_eq!(written, out.len());
        String::from_utf8(out).unwrap()
    }

    const THREE: &str =
        "{\n  \"results\" : [\n    { \"a\" : \"],}\\\"\" },\n    [1, [2]],\n    \"\\u00e9\"\n  ],\n  \"z\" : 1.50\n}";

    #[test]
    fn the_cut_is_by_byte_range() {
        assert_eq!(cut(THREE, 1), "{\n  \"results\" : [\n    { \"a\" : \"],}\\\"\" }\n  ],\n  \"z\" : 1.50\n}");
        assert_eq!(
            cut(THREE, 2),
            "{\n  \"results\" : [\n    { \"a\" : \"],}\\\"\" },\n    [1, [2]]\n  ],\n  \"z\" : 1.50\n}"
        );
    }

    #[test]
    fn at_the_number_of_results_and_above_every_byte_stays() {
        for bound in [3, 4, 20] {
            assert_eq!(cut(THREE, bound), THREE);
        }
    }

    #[test]
    fn newlines_go_at_both_ends_and_runs_become_one() {
        assert_eq!(cut("\n\n{\n\n\n\"results\" : [1,\n\n2]\n}\n\n", 1), "{\n\"results\" : [1]\n}");
        assert_eq!(cut("\n{}\n", 5), "{}");
    }

    #[test]
    fn other_bytes_around_the_json_stay() {
        assert_eq!(cut(" {}\r\n", 5), " {}\r");
    }

    #[test]
    fn an_object_without_an_array_of_results_stays_as_it_is() {
        for body in [
            "{}",
            "{\"results\":null}",
            "{\"results\":{\"a\":[1,2]}}",
            "{\"x\":{\"results\":[1,2]}}",
            "{\"results\":[]}",
        ] {
            assert_eq!(cut(body, 1), body);
        }
    }

    #[test]
    fn a_key_with_escapes_is_the_same_key() {
        assert_eq!(cut("{\"r\\u0065sults\":[1,2]}", 1), "{\"r\\u0065sults\":[1]}");
    }

    #[test]
    fn what_is_not_one_object_is_refused() {
        for body in ["", "\n", "[]", "null", "{", "{}{}", "{}x", "{\"results\":[1,}", "<html>", "{\"a\":\"\u{0}\"}"] {
            assert_eq!(PlacesBody::new(body.into()).unwrap_err(), NotAnObject, "{body:?}");
        }
        assert!(PlacesBody::new(b"{\"a\":\"\xff\"}".to_vec()).is_err());
    }

    #[test]
    fn nesting_beyond_any_stack_is_no_danger() {
        let deep = format!("{{\"results\":[{}{}]}}", "[".repeat(200_000), "]".repeat(200_000));
        assert_eq!(cut(&deep, 1), deep);
    }

    #[test]
    fn a_failure_is_a_body_like_any_other() {
        let body: Value = serde_json::from_slice(&failure("UNKNOWN_ERROR", "no \"answer\"\n")).unwrap();
        assert_eq!(body["status"], "UNKNOWN_ERROR");
        assert_eq!(body["error_message"], "no \"answer\"\n");
        assert_eq!(body["results"], serde_json::json!([]));
        assert_eq!(serde_json::from_slice::<Value>(NO_RESULTS).unwrap()["status"], "OK");
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[\\[\\]{},:\"\\\\a\u{e9}\n]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z\"]{0,4}", inner, 0..4)
                    .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_cut_body_is_valid_json_with_the_first_results_bytes(
            results in prop::collection::vec(json(), 0..8),
            other in json(),
            pretty in any::<bool>(),
            bound in 1..9_usize,
        ) {
            let whole = serde_json::json!({ "a": other, "results": results, "status": "OK" });
            let body = if pretty { serde_json::to_string_pretty(&whole) } else { serde_json::to_string(&whole) }.unwrap();
            let text = cut(&body, bound);
            let expected = serde_json::json!({ "a": other, "results": &results[..bound.min(results.len())], "status": "OK" });
            prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
            let (kept_whole, kept_cut) = (raw_results(&body), raw_results(&text));
            prop_assert_eq!(&kept_whole[..kept_cut.len()], &kept_cut[..]);
            if bound >= results.len() {
                prop_assert_eq!(text, body);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'{'), Just(b'"')], 0..60)) {
            let _ = PlacesBody::new(bytes).map(|body| body.write(1, &mut Vec::new()));
        }
    }

    fn raw_results(body: &str) -> Vec<String> {
        let object: std::collections::HashMap<&str, &RawValue> = serde_json::from_str(body).unwrap();
        let results: Vec<&RawValue> = serde_json::from_str(object["results"].get()).unwrap();
        results.into_iter().map(|element| element.get().to_string()).collect()
    }
}
