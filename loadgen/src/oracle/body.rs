//! Whether what follows an AT line is a Places body within its bound.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    status: Cow<'a, str>,
    results: Vec<IgnoredAny>,
}

/// Checks the JSON of a WHATSAT's reply, its two newlines included.
pub(super) fn check(body: &[u8], bound: usize) -> Result<(), String> {
    let Some(json) = body.strip_suffix(b"\n\n") else {
        return Err("the JSON does not end with two newlines".into());
    };
    if json.starts_with(b"\n") || json.ends_with(b"\n") {
        return Err("there are more newlines around the JSON than there may be".into());
    }
    let parsed: Body<'_> = serde_json::from_slice(json).map_err(|error| format!("the JSON is broken ({error})"))?;
    if parsed.results.len() > bound {
        return Err(format!("there are {} results where {bound} were allowed", parsed.results.len()));
    }
    if bound == 0 && parsed.status != "OK" {
        return Err("a bound of 0 was not answered with status OK".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_by_table() {
        let good = "{\"results\" : [ {}, [] ], \"status\" : \"OK\"}\n\n";
        assert_eq!(check(good.as_bytes(), 2), Ok(()));
        assert_eq!(check(b"{\"results\":[],\"status\":\"ZERO_RESULTS\"}\n\n", 1), Ok(()));
        for (body, bound, expected) in [
            (good, 1, "there are 2 results where 1 were allowed"),
            ("{\"results\":[],\"status\":\"OK\"}\n", 1, "the JSON does not end with two newlines"),
            (
                "\n{\"results\":[],\"status\":\"OK\"}\n\n",
                1,
                "there are more newlines around the JSON than there may be",
            ),
            ("{\"results\":[],\"status\":\"X\"}\n\n", 0, "a bound of 0 was not answered with status OK"),
        ] {
            assert_eq!(check(body.as_bytes(), bound), Err(expected.to_owned()));
        }
        for broken in ["{\"results\":[}\n\n", "{\"status\":\"OK\"}\n\n", "[]\n\n", "\n\n"] {
            assert!(check(broken.as_bytes(), 1).unwrap_err().starts_with("the JSON is broken") || broken == "\n\n");
        }
    }
}
