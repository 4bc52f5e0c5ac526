//! How often clients may have Places asked: those of one connection, and all together.

use std::sync::Mutex;

use tokio::time::Instant;

use crate::config::Limits;
use crate::metrics::QuotaScope;
use crate::protocol::places_json::failure;
use crate::quota::{Bucket, Rate};

/// The quota that all connections share.
#[derive(Debug)]
pub(super) struct TotalQuota(Option<Mutex<Bucket>>);

impl TotalQuota {
    pub(super) fn new(limits: &Limits) -> Self {
        let full = |rate| Mutex::new(Bucket::full(rate, Instant::now().into_std()));
        Self(limits.whatsat_quota_total.map(full))
    }

    fn take(&self, now: Instant) -> bool {
        let take = |bucket: &Mutex<Bucket>| {
            bucket.lock().expect("nothing panics while it holds this lock").take(now.into_std())
        };
        self.0.as_ref().is_none_or(take)
    }
}

/// The quota of one connection. Its bucket is full until the first question.
#[derive(Debug, Default)]
pub(super) struct OwnQuota(Option<Box<Bucket>>);

impl OwnQuota {
    /// Takes one question out of the connection's quota and the one that all share. Where
    /// either is used up nothing is taken: a refusal costs nobody a question.
    pub(super) fn take(&mut self, rate: Option<Rate>, total: &TotalQuota, now: Instant) -> Result<(), QuotaScope> {
        let full = |rate| Box::new(Bucket::full(rate, now.into_std()));
        let mut own = rate.map(|rate| self.0.get_or_insert_with(|| full(rate)));
        if own.as_mut().is_some_and(|own| !own.has_token(now.into_std())) {
            return Err(QuotaScope::Connection);
        }
        if !total.take(now) {
            return Err(QuotaScope::Total);
        }
        if let Some(own) = own {
            own.take(now.into_std());
        }
        Ok(())
    }
}

/// The body of a reply for which Places is not asked.
pub(super) fn refusal(scope: QuotaScope, limits: &Limits) -> Vec<u8> {
    let (who, rate) = match scope {
        QuotaScope::Connection => ("This connection asks", limits.whatsat_quota),
        QuotaScope::Total => ("This server is asked", limits.whatsat_quota_total),
    };
    let quota = rate.map(|rate| rate.to_string()).unwrap_or_default();
    failure("OVER_QUERY_LIMIT", &format!("{who} more often than its quota of {quota} allows; ask again later."))
}
