//! JSON by RFC 8259, as a scanner that walks over bytes: what of a body is an element of
//! `results`. It builds nothing, and depth costs it no stack; only keys are left to serde_json.

use std::ops::Range;

/// The byte ranges of the elements of `results` of the one object that `body` is; without
/// that array there are none. `None` if the body is not one object in UTF-8. Of keys that come
/// more than once the last counts.
pub fn results(body: &[u8]) -> Option<Vec<Range<usize>>> {
    std::str::from_utf8(body).ok()?;
    let mut scanner = Scanner { body, at: 0 };
    let mut results = Vec::new();
    scanner.spaces();
    scanner.byte(b'{')?;
    scanner.items(b'}', |scanner| {
        if scanner.key()? == "results" {
            results = scanner.elements()?;
        } else {
            scanner.value()?;
        }
        Some(())
    })?;
    scanner.spaces();
    (scanner.at == body.len()).then_some(results)
}

struct Scanner<'b> {
    body: &'b [u8],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    fn byte(&mut self, expected: u8) -> Option<()> {
        (self.peek()? == expected).then(|| self.at += 1)
    }

    fn while_(&mut self, wanted: impl Fn(u8) -> bool) -> usize {
        let start = self.at;
        while self.peek().is_some_and(&wanted) {
            self.at += 1;
        }
        self.at - start
    }

    fn spaces(&mut self) {
        self.while_(|byte| b" \t\r\n".contains(&byte));
    }

    /// Items with commas between them, up to the closing bracket.
    fn items(&mut self, end: u8, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.spaces();
        if self.byte(end).is_some() {
            return Some(());
        }
        loop {
            self.spaces();
            item(self)?;
            self.spaces();
            match self.peek()? {
                b',' => self.at += 1,
                _ => return self.byte(end),
            }
        }
    }

    /// A key and its colon. Half a surrogate pair is no text, so it cannot be a key.
    fn key(&mut self) -> Option<String> {
        let start = self.at;
        self.string()?;
        let key = serde_json::from_slice(&self.body[start..self.at]).ok()?;
        self.spaces();
        self.byte(b':')?;
        self.spaces();
        Some(key)
    }

    /// A value, and where its elements are if it is an array.
    fn elements(&mut self) -> Option<Vec<Range<usize>>> {
        let mut elements = Vec::new();
        if self.peek()? != b'[' {
            self.value()?;
            return Some(elements);
        }
        self.at += 1;
        self.items(b']', |scanner| {
            let start = scanner.at;
            scanner.value()?;
            elements.push(start..scanner.at);
            Some(())
        })?;
        Some(elements)
    }

    /// Any value. What is open is kept in a list, so depth costs no stack.
    fn value(&mut self) -> Option<()> {
        let mut open = Vec::new();
        loop {
            self.spaces();
            match self.peek()? {
                b'{' | b'[' => {
                    let close = if self.peek()? == b'{' { b'}' } else { b']' };
                    self.at += 1;
                    self.spaces();
                    if self.peek()? != close {
                        open.push(close);
                        self.member_name(close)?;
                        continue;
                    }
                    self.at += 1;
                }
                b'"' => self.string()?,
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                _ => self.number()?,
            }
            // A value has ended: so may what holds it, and what holds that.
            loop {
                let Some(&close) = open.last() else { return Some(()) };
                self.spaces();
                if self.byte(b',').is_some() {
                    self.spaces();
                    self.member_name(close)?;
                    break;
                }
                self.byte(close)?;
                open.pop();
            }
        }
    }

    /// In an object, the name in front of the next value. Nested names may be any string.
    fn member_name(&mut self, close: u8) -> Option<()> {
        if close == b'}' {
            self.string()?;
            self.spaces();
            self.byte(b':')?;
        }
        Some(())
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.body[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    fn string(&mut self) -> Option<()> {
        self.byte(b'"')?;
        loop {
            match self.peek()? {
                b'"' => return self.byte(b'"'),
                0..0x20 => return None,
                b'\\' => {
                    self.at += 1;
                    let kind = self.peek()?;
                    self.at += 1;
                    let valid = match kind {
                        b'u' => (0..4).all(|_| self.hexadecimal().is_some()),
                        other => b"\"\\/bfnrt".contains(&other),
                    };
                    valid.then_some(())?;
                }
                _ => self.at += 1,
            }
        }
    }

    fn hexadecimal(&mut self) -> Option<()> {
        self.peek()?.is_ascii_hexdigit().then(|| self.at += 1)
    }

    fn number(&mut self) -> Option<()> {
        let digit = |byte: u8| byte.is_ascii_digit();
        let _ = self.byte(b'-');
        if self.byte(b'0').is_none() {
            (self.while_(digit) > 0).then_some(())?;
        }
        if self.byte(b'.').is_some() {
            (self.while_(digit) > 0).then_some(())?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            (self.while_(digit) > 0).then_some(())?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_by_table() {
        let found = |body: &str| -> Option<Vec<String>> {
            Some(results(body.as_bytes())?.into_iter().map(|range| body[range].to_owned()).collect())
        };
        assert_eq!(
            found(r#" {"results" : [ 1.5e+3 , "],\u00e9" ,{"a":[{}]}, [] ] }"#).unwrap(),
            ["1.5e+3", r#""],\u00e9""#, r#"{"a":[{}]}"#, "[]"]
        );
        assert_eq!(found(r#"{"results":[1],"r\u0065sults":null}"#).unwrap(), [""; 0]);
        let bad = ["", "[]", "{", "{}{}", r#"{"a":01}"#, r#"{"a":[1,]}"#, r#"{"a":{"b"}}"#, r#"{"a":[}]}"#];
        for bad in bad.into_iter().chain([r#"{"a":"\x"}"#, r#"{"\ud800":1}"#, "{\"a\":\"\n\"}", r#"{,"a":1}"#]) {
            assert_eq!(found(bad), None, "{bad}");
        }
        assert!(results(format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000)).as_bytes()).is_some());
    }
}
