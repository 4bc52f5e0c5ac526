//! Places over HTTP: one GET per try, straight to the service, without redirects or proxies.

use std::fmt;
use std::str::FromStr;

use memchr::memmem;
use reqwest::{Client, Url, redirect};

use super::{Fetch, FetchError, Fetching, PlacesKey, Response};

/// A body past this many bytes is a failure and is not read on.
const MAX_BODY: usize = 1 << 20;
/// What stands in an answer where the key stood.
const REDACTED: &[u8] = b"[key]";

/// The address of a Places service: `http://` or `https://`, a host, and maybe a port and a path.
#[derive(Debug, Clone)]
pub struct PlacesUrl(String);

/// The text is not the address of a Places service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it must be `mock` or begin with http:// or https:// and name a host, and hold no user, ? or #")]
pub struct PlacesUrlError;

impl PlacesUrl {
    /// Google's own service.
    #[must_use]
    pub fn google() -> Self {
        Self("https://maps.googleapis.com".to_owned())
    }
}

impl FromStr for PlacesUrl {
    type Err = PlacesUrlError;

    fn from_str(text: &str) -> Result<Self, PlacesUrlError> {
        let url = Url::parse(text).map_err(|_| PlacesUrlError)?;
        let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        let valid = plain && url.password().is_none() && matches!(url.scheme(), "http" | "https") && url.has_host();
        valid.then(|| Self(text.trim_end_matches('/').to_owned())).ok_or(PlacesUrlError)
    }
}

impl fmt::Display for PlacesUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Asks a Places service over HTTP.
pub struct HttpPlaces {
    client: Client,
    /// All of the URL before the query.
    endpoint: String,
    /// The query's last part, `&key=…`.
    key_part: String,
    key: PlacesKey,
}

impl HttpPlaces {
    /// A client of the service at `url`.
    ///
    /// # Errors
    /// If the machine has no root certificates to check an `https://` service with.
    pub fn new(url: &PlacesUrl, key: PlacesKey, in_flight: usize) -> Result<Self, String> {
        crate::tls::install_provider();
        let builder = Client::builder()
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .http1_only()
            .tcp_nodelay(true)
            .pool_max_idle_per_host(in_flight)
            .user_agent(concat!("herd/", env!("CARGO_PKG_VERSION")));
        // Plain HTTP needs no root certificates, and a machine may have none.
        let builder = if url.0.starts_with("https:") { builder } else { builder.tls_certs_only([]) };
        let client = builder.build().map_err(|error| reason(&error))?;
        let encoded: String = form_urlencoded::byte_serialize(key.expose().as_bytes()).collect();
        Ok(Self {
            client,
            endpoint: format!("{url}/maps/api/place/nearbysearch/json"),
            key_part: format!("&key={encoded}"),
            key,
        })
    }

    async fn get(&self, query: &str) -> Result<Response, FetchError> {
        let url = format!("{}?{query}{}", self.endpoint, self.key_part);
        let transport = |error: reqwest::Error| FetchError::Transport(reason(&error));
        let mut response = self.client.get(url).send().await.map_err(transport)?;
        if response.content_length().is_some_and(|length| length > MAX_BODY as u64) {
            return Err(FetchError::TooLarge);
        }
        let length = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
        let mut body = Vec::with_capacity(length);
        while let Some(chunk) = response.chunk().await.map_err(transport)? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response { status: response.status().as_u16(), body: self.redact(body) })
    }

    /// An answer that repeats the key would carry it to clients and logs.
    fn redact(&self, body: Vec<u8>) -> Vec<u8> {
        let key = self.key.expose().as_bytes();
        let mut redacted = Vec::new();
        let mut copied = 0;
        for found in memmem::find_iter(&body, key) {
            redacted.extend_from_slice(&body[copied..found]);
            redacted.extend_from_slice(REDACTED);
            copied = found + key.len();
        }
        if copied == 0 {
            return body;
        }
        redacted.extend_from_slice(&body[copied..]);
        redacted
    }
}

impl Fetch for HttpPlaces {
    fn fetch<'a>(&'a self, query: &'a str) -> Fetching<'a> {
        Box::pin(self.get(query))
    }
}

/// What went wrong, by the innermost cause. Reqwest's own text holds the URL, and so the key.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if std::ptr::addr_eq(cause, error) {
        let kind = if error.is_timeout() { "timed out" } else { "the exchange failed" };
        return kind.to_owned();
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_by_table() {
        for good in ["http://127.0.0.1:9000", "https://maps.googleapis.com/", "http://[::1]:1/base"] {
            assert!(good.parse::<PlacesUrl>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "mok",
            "127.0.0.1:9000",
            "ftp://host",
            "http://",
            "http://u:p@host",
            "http://host?key=x",
            "http://host#x",
        ] {
            assert!(bad.parse::<PlacesUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_in_an_answer_is_taken_out() {
        let url: PlacesUrl = "http://127.0.0.1:1".parse().unwrap();
        let places = HttpPlaces::new(&url, PlacesKey::new("abc", "").unwrap(), 1).unwrap();
        let redact = |body: &str| String::from_utf8(places.redact(body.into())).unwrap();
        assert_eq!(redact("{\"m\":\"abc abcabc ab\"}"), "{\"m\":\"[key] [key][key] ab\"}");
        assert_eq!(redact("{}"), "{}");
    }
}
