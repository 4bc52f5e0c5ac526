//! When all servers agreed after a load.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::agreement::{Look, wait_for_agreement};
use crate::load::{Loaded, Loading};

/// How often servers are asked from the end of the load on.
const LOOK: Duration = Duration::from_millis(1);
/// How long they may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Waits for a load generator to end that sends for so long, and from then on looks for the
/// moment at which all servers have the digest that they have in the end. What had been under
/// way is answered meanwhile, and the generator asks every server about every client, which
/// changes nothing in their stores. Returns how long after the end of sending that was; nothing if
/// they do not agree.
pub(super) async fn finish(
    mut loading: Loading,
    sends_for: Duration,
    servers: &[String],
) -> anyhow::Result<(Loaded, Option<Duration>)> {
    let end = loading.began().await?.unwrap_or_else(Instant::now) + sends_for;
    sleep_until(end).await;
    let mut seen: Option<(String, Instant)> = None;
    let mut finishing = pin!(loading.finish());
    let loaded = loop {
        tokio::select! {
            loaded = &mut finishing => break loaded?,
            look = Look::at(servers) => note(&mut seen, &look),
        }
        sleep(LOOK).await;
    };
    let last = wait_for_agreement(servers, PATIENCE).await;
    if !last.is_agreement() {
        return Ok((loaded, None));
    }
    note(&mut seen, &last);
    Ok((loaded, seen.map(|(_, at)| at - end)))
}

/// Keeps the digest that all have, and since when.
fn note(seen: &mut Option<(String, Instant)>, look: &Look) {
    let first = look.statuses.iter().flatten().next().filter(|_| look.is_agreement());
    match (first, &seen) {
        (Some(first), Some((digest, _))) if first.digest == *digest => {}
        (Some(first), _) => *seen = Some((first.digest.clone(), look.at)),
        (None, _) => *seen = None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreement_counts_from_the_first_look_that_nothing_changed_after() {
        let start = Instant::now();
        let look = |millis, digests: [&str; 2]| {
            let status = |digest: &str| {
                let text = format!(r#"{{"name":"A","known_clients":1,"digest":"{digest}","started":1.0,"links":[]}}"#);
                serde_json::from_str(&text).ok()
            };
            Look { at: start + Duration::from_millis(millis), statuses: digests.map(status).to_vec() }
        };
        let mut seen = None;
        for (millis, digests, since) in [
            (1, ["a", "b"], None),
            (2, ["b", "b"], Some(2)),
            (3, ["c", "b"], None),
            (4, ["c", "c"], Some(4)),
            (5, ["c", "c"], Some(4)),
            (6, ["d", "d"], Some(6)),
        ] {
            note(&mut seen, &look(millis, digests));
            let found = seen.as_ref().map(|(_, at)| (*at - start).as_millis());
            assert_eq!(found, since, "{millis}");
        }
    }
}
