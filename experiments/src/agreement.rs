//! Whether the servers of a herd agree: equal digests, equal stores.
//!
//! Under load digests are equal only in moments when no update is on its way. So whoever waits
//! for them to be equal asks often, and all servers at once.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::scrape::{self, Status};

/// How often servers are asked by who waits for them.
const LOOK: Duration = Duration::from_millis(10);
/// How long an answer may take there; a server that is stopped has none.
const PATIENCE: Duration = Duration::from_millis(300);

/// What the servers said of themselves at about the same moment.
#[derive(Debug, Clone)]
pub struct Look {
    /// When all had answered, or had had their time.
    pub at: Instant,
    /// By server; `None` from one that did not answer.
    pub statuses: Vec<Option<Status>>,
}

impl Look {
    /// Asks all servers at once, by their addresses for HTTP.
    pub async fn at(addresses: &[String]) -> Self {
        let mut asked = JoinSet::new();
        for (server, address) in addresses.iter().cloned().enumerate() {
            asked.spawn(async move { (server, timeout(PATIENCE, scrape::status(&address)).await) });
        }
        let mut statuses = vec![None; addresses.len()];
        while let Some(answer) = asked.join_next().await {
            if let Ok((server, Ok(Ok(status)))) = answer {
                statuses[server] = Some(status);
            }
        }
        Self { at: Instant::now(), statuses }
    }

    /// How many servers have the digest of the first that answered.
    #[must_use]
    pub fn equal(&self) -> usize {
        let answered = || self.statuses.iter().flatten();
        answered().next().map_or(0, |first| answered().filter(|status| status.digest == first.digest).count())
    }

    /// Whether all servers answered, with equal digests.
    #[must_use]
    pub fn is_agreement(&self) -> bool {
        self.equal() == self.statuses.len()
    }
}

/// Asks until the servers agree or their time is up; returns the last look.
pub async fn wait_for_agreement(addresses: &[String], within: Duration) -> Look {
    let deadline = Instant::now() + within;
    loop {
        let look = Look::at(addresses).await;
        if look.is_agreement() || look.at >= deadline {
            return look;
        }
        sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(digests: &[Option<&str>]) -> Look {
        let status = |digest: &str| {
            serde_json::from_str(&format!(
                r#"{{"name":"A","known_clients":1,"digest":"{digest}","started":1.0,"links":[]}}"#
            ))
        };
        let statuses = digests.iter().map(|digest| digest.map(|digest| status(digest).unwrap())).collect();
        Look { at: Instant::now(), statuses }
    }

    #[test]
    fn a_server_that_does_not_answer_does_not_agree() {
        for (digests, equal, is_agreement) in [
            (&[Some("a"), Some("a")][..], 2, true),
            (&[Some("a"), Some("b")], 1, false),
            (&[Some("a"), None], 1, false),
            (&[None, Some("a")], 1, false),
            (&[None, None], 0, false),
        ] {
            let look = look(digests);
            assert_eq!((look.equal(), look.is_agreement()), (equal, is_agreement), "{digests:?}");
        }
    }
}
