//! What servers say over HTTP.

use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The part of `/status` that is used here.
#[derive(Debug, Clone, Deserialize)]
pub struct Status {
    /// The server.
    pub name: String,
    /// Clients in its store.
    pub known_clients: usize,
    /// Equal digests, equal stores.
    pub digest: String,
    /// When this incarnation began to listen, in seconds since the epoch.
    pub started: f64,
    /// Its links.
    pub links: Vec<LinkStatus>,
}

impl Status {
    /// From when the server began to listen until all its links were up, in seconds; `None` as
    /// long as one is not.
    #[must_use]
    pub fn links_up_after(&self) -> Option<f64> {
        let since = self.links.iter().map(|link| link.up_since.filter(|_| link.up));
        let latest = since.collect::<Option<Vec<f64>>>()?.into_iter().reduce(f64::max);
        Some(latest? - self.started)
    }
}

/// The part of a link's status that is used here.
#[derive(Debug, Clone, Deserialize)]
pub struct LinkStatus {
    /// The neighbour.
    pub peer: String,
    /// Whether it is up.
    pub up: bool,
    /// Since when, in seconds since the epoch; absent while it is down.
    pub up_since: Option<f64>,
}

/// Gets a page of a server, which answers one request per connection.
///
/// # Errors
/// If there is no answer, or one of another status than 200.
pub async fn get(address: &str, path: &str) -> anyhow::Result<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())
            .await?;
        let mut response = String::new();
        stream.read_to_string(&mut response).await?;
        std::io::Result::Ok(response)
    };
    let response = timeout(TIMEOUT, exchange).await?.with_context(|| format!("cannot get http://{address}{path}"))?;
    let (head, body) =
        response.split_once("\r\n\r\n").with_context(|| format!("http://{address}{path} has no body"))?;
    if !head.starts_with("HTTP/1.1 200 ") {
        let status = head.lines().next().unwrap_or_default();
        bail!("http://{address}{path} answered {status}: {}", body.trim());
    }
    Ok(body.to_owned())
}

/// Gets the metrics of servers, one text behind the other.
///
/// # Errors
/// If one cannot be had.
pub async fn all_metrics(addresses: &[String]) -> anyhow::Result<String> {
    let mut all = String::new();
    for address in addresses {
        all += &get(address, "/metrics").await?;
    }
    Ok(all)
}

/// Gets a server's status.
///
/// # Errors
/// If it cannot be had.
pub async fn status(address: &str) -> anyhow::Result<Status> {
    Ok(serde_json::from_str(&get(address, "/status").await?)?)
}

/// The sum of a counter or gauge over its series with all of the given labels, in the text that
/// `/metrics` has. A label is written like `kind="iamat"`.
#[must_use]
pub fn sum(metrics: &str, name: &str, labels: &[&str]) -> f64 {
    let series = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let (series, value) = rest.rsplit_once(' ')?;
        let is_of_this_name = series.is_empty() || series.starts_with('{');
        (is_of_this_name && labels.iter().all(|label| series.contains(label))).then_some(value)
    });
    series.filter_map(|value| value.parse::<f64>().ok()).sum()
}

/// How much a counter has grown, over the series with all of the given labels.
#[must_use]
pub fn grown(before: &str, after: &str, name: &str, labels: &[&str]) -> f64 {
    sum(after, name, labels) - sum(before, name, labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_up_when_the_last_one_is() {
        let status = |links: &str| -> Status {
            let text = format!(r#"{{"name":"A","known_clients":1,"digest":"d","started":100.5,"links":[{links}]}}"#);
            serde_json::from_str(&text).unwrap()
        };
        let (up, later) = (r#"{"peer":"B","up":true,"up_since":100.75}"#, r#"{"peer":"C","up":true,"up_since":101.5}"#);
        assert_eq!(status(&format!("{up},{later}")).links_up_after(), Some(1.0));
        assert_eq!(status(&format!(r#"{up},{{"peer":"C","up":false}}"#)).links_up_after(), None);
        assert_eq!(status("").links_up_after(), None);
    }

    #[test]
    fn sums_are_over_series_of_the_name_with_the_labels() {
        let metrics =
            "# TYPE a counter\na{x=\"1\",y=\"1\"} 2\na{x=\"1\",y=\"2\"} 3\na{x=\"2\"} 10\na_b{x=\"1\"} 100\nc 7\n";
        assert_eq!(sum(metrics, "a", &["x=\"1\""]), 5.0);
        assert_eq!(sum(metrics, "a", &[]), 15.0);
        assert_eq!(sum(metrics, "c", &[]), 7.0);
        assert_eq!(sum(metrics, "d", &[]), 0.0);
    }
}
