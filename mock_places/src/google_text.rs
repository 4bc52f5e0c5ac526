//! The layout of the service's JSON: three spaces a level, `"key" : value`, short lists of strings
//! on one line.
//!
//! Users copy bodies byte for byte, so the layout matters and no JSON library writes it.

use std::fmt::{Arguments, Display, Write};

const INDENT: usize = 3;
/// A line break with the indentation of the deepest level written.
const LINE_BREAK: &str = "\n                              ";
/// A list of strings goes on one line while its text is shorter than this.
const LINE: usize = 74;

/// A JSON document being written. Strings are given as they stand between the quotes, already
/// escaped.
#[derive(Debug)]
pub(crate) struct GoogleText {
    out: String,
    depth: usize,
    /// Whether the container being written has no element yet.
    empty: bool,
}

impl GoogleText {
    /// Starts a document that is one object.
    pub(crate) fn new(capacity: usize) -> Self {
        let mut out = String::with_capacity(capacity);
        out.push('{');
        Self { out, depth: 1, empty: true }
    }

    /// Ends the document.
    pub(crate) fn finish(mut self) -> String {
        debug_assert_eq!(self.depth, 1, "a container is still open");
        self.close('}');
        self.out.push('\n');
        self.out
    }

    /// A member that is a string.
    pub(crate) fn text(&mut self, key: &str, escaped: &str) {
        self.key(key);
        self.quoted(escaped);
    }

    /// A member that is a string made of parts.
    pub(crate) fn composed(&mut self, key: &str, escaped: Arguments<'_>) {
        self.key(key);
        self.out.push('"');
        self.put(escaped);
        self.out.push('"');
    }

    /// A member that is a number or a boolean.
    pub(crate) fn value(&mut self, key: &str, value: impl Display) {
        self.key(key);
        self.put(format_args!("{value}"));
    }

    /// A member that is a list without elements.
    pub(crate) fn empty_list(&mut self, key: &str) {
        self.value(key, "[]");
    }

    /// A member that is a list of strings.
    pub(crate) fn text_list(&mut self, key: &str, escaped: &[&str]) {
        let quoted = escaped.iter().map(|text| text.len() + 2).sum::<usize>();
        let separators = 2 * escaped.len().saturating_sub(1);
        if quoted + separators + "[  ]".len() < LINE {
            self.key(key);
            self.out.push_str("[ ");
            for (index, text) in escaped.iter().enumerate() {
                self.out.push_str(if index == 0 { "" } else { ", " });
                self.quoted(text);
            }
            self.out.push_str(" ]");
        } else {
            self.list(key, |list| {
                for text in escaped {
                    list.line();
                    list.quoted(text);
                }
            });
        }
    }

    /// A member that is a list; `elements` writes at least one.
    pub(crate) fn list(&mut self, key: &str, elements: impl FnOnce(&mut Self)) {
        self.key(key);
        self.nested('[', ']', elements);
    }

    /// A member that is an object; `members` writes at least one.
    pub(crate) fn object(&mut self, key: &str, members: impl FnOnce(&mut Self)) {
        self.key(key);
        self.nested('{', '}', members);
    }

    /// An element of a list that is an object; `members` writes at least one.
    pub(crate) fn element(&mut self, members: impl FnOnce(&mut Self)) {
        self.line();
        self.nested('{', '}', members);
    }

    fn nested(&mut self, open: char, close: char, content: impl FnOnce(&mut Self)) {
        self.out.push(open);
        self.depth += 1;
        self.empty = true;
        content(self);
        self.close(close);
    }

    fn close(&mut self, bracket: char) {
        debug_assert!(!self.empty, "an empty container is written differently");
        self.depth -= 1;
        self.break_line();
        self.out.push(bracket);
        self.empty = false;
    }

    fn key(&mut self, key: &str) {
        self.line();
        self.quoted(key);
        self.out.push_str(" : ");
    }

    /// Starts an element's line.
    fn line(&mut self) {
        if !self.empty {
            self.out.push(',');
        }
        self.empty = false;
        self.break_line();
    }

    fn break_line(&mut self) {
        self.out.push_str(&LINE_BREAK[..=INDENT * self.depth]);
    }

    fn quoted(&mut self, escaped: &str) {
        self.out.push('"');
        self.out.push_str(escaped);
        self.out.push('"');
    }

    fn put(&mut self, text: Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.out.write_fmt(text);
    }
}

#[cfg(test)]
mod tests {
    use super::GoogleText;

    #[test]
    fn layout_of_every_kind_of_member() {
        let mut text = GoogleText::new(0);
        text.empty_list("html_attributions");
        text.list("results", |list| {
            list.element(|place| {
                place.object("opening_hours", |hours| hours.value("open_now", true));
                place.text("name", r"A \u0026 B");
                place.text_list("types", &["cafe", "food"]);
            });
            list.element(|place| place.value("rating", 4.5));
        });
        text.text("status", "OK");
        insta::assert_snapshot!(text.finish(), @r#"
        {
           "html_attributions" : [],
           "results" : [
              {
                 "opening_hours" : {
                    "open_now" : true
                 },
                 "name" : "A \u0026 B",
                 "types" : [ "cafe", "food" ]
              },
              {
                 "rating" : 4.5
              }
           ],
           "status" : "OK"
        }
        "#);
    }

    #[test]
    fn a_long_list_of_strings_takes_a_line_each() {
        let list = |texts: &[&str]| {
            let mut text = GoogleText::new(0);
            text.text_list("types", texts);
            text.finish()
        };
        // Both as the service has been seen to write them.
        let short = ["bar", "restaurant", "food", "point_of_interest", "establishment"];
        assert!(list(&short).contains(r#"[ "bar", "restaurant", "food", "point_of_interest", "establishment" ]"#));
        let long = ["travel_agency", "restaurant", "food", "point_of_interest", "establishment"];
        assert!(list(&long).contains("\"types\" : [\n      \"travel_agency\",\n      \"restaurant\",\n"));
    }
}
