//! Answers without places: the request is refused, or the service says it cannot serve it.

use crate::google_text::GoogleText;
use crate::location::ParameterError;

/// Why a request gets no places. The service answers all of these with HTTP 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No key was sent.
    NoKey,
    /// The key is not the one asked for.
    WrongKey,
    /// A parameter is not usable.
    Parameter(ParameterError),
    /// A further page was asked for; there are none here.
    PageToken,
}

impl Refusal {
    /// The body. It repeats nothing that was sent, above all not the key.
    pub(crate) fn body(self) -> String {
        match self {
            Self::NoKey => denied("You must use an API key to authenticate each request."),
            Self::WrongKey => denied("The provided API key is invalid."),
            Self::Parameter(error) => envelope(&error.to_string(), "INVALID_REQUEST"),
            Self::PageToken => envelope("this stub serves no further pages", "INVALID_REQUEST"),
        }
    }
}

fn denied(message: &str) -> String {
    envelope(message, "REQUEST_DENIED")
}

/// An answer without places; `message` must not need escaping.
pub(crate) fn envelope(message: &str, status: &str) -> String {
    let mut text = GoogleText::new(256);
    text.text("error_message", message);
    text.empty_list("html_attributions");
    text.empty_list("results");
    text.text("status", status);
    text.finish()
}

#[cfg(test)]
mod tests {
    use super::Refusal;
    use crate::location::ParameterError;

    #[test]
    fn the_layout_is_the_services() {
        insta::assert_snapshot!(Refusal::WrongKey.body(), @r#"
        {
           "error_message" : "The provided API key is invalid.",
           "html_attributions" : [],
           "results" : [],
           "status" : "REQUEST_DENIED"
        }
        "#);
    }

    #[test]
    fn each_refusal_is_json_with_its_status() {
        for (refusal, status) in [
            (Refusal::NoKey, "REQUEST_DENIED"),
            (Refusal::WrongKey, "REQUEST_DENIED"),
            (Refusal::Parameter(ParameterError::Location), "INVALID_REQUEST"),
            (Refusal::Parameter(ParameterError::Radius), "INVALID_REQUEST"),
            (Refusal::PageToken, "INVALID_REQUEST"),
        ] {
            let answer: serde_json::Value = serde_json::from_str(&refusal.body()).expect("JSON");
            assert_eq!(answer["status"], status, "{refusal:?}");
            assert!(answer["error_message"].is_string(), "{refusal:?}");
        }
    }
}
