//! The bounds of a server: nothing that is fed from outside grows without one.

use std::time::Duration;

use crate::quota::Rate;
use crate::store::StoreLimits;

/// Every bound that an option can change. The defaults are those of [`Limits::default`].
#[derive(Debug, Clone)]
pub struct Limits {
    /// A client's line, in bytes without its LF (64 KiB).
    pub line: usize,
    /// Client connections (what the descriptor limit allows, less a reserve; here 1000).
    pub connections: usize,
    /// Client connections from one IPv4 address, or from one /64 prefix of IPv6 (no limit).
    pub connections_per_address: Option<usize>,
    /// How long a line may stay unfinished before its connection is closed (60 s).
    pub unfinished_line: Duration,
    /// Bytes of replies that may wait for a client before no more is read from it (256 KiB).
    pub unread_replies: usize,
    /// How long a client may leave replies unread before it is closed (60 s).
    pub unread_timeout: Duration,
    /// Commands of one connection in work or waiting behind one that is (64).
    pub pipelined: usize,
    /// What the store keeps (4 million clients, 1 GiB of AT lines).
    pub store: StoreLimits,
    /// Requests to Places in flight (256).
    pub places_in_flight: usize,
    /// How long a WHATSAT may wait for Places, retries and waiting for a slot included (5 s).
    pub places_deadline: Duration,
    /// Questions that one connection may have put to Places (no limit).
    pub whatsat_quota: Option<Rate>,
    /// Questions that all connections together may have put to Places (no limit).
    pub whatsat_quota_total: Option<Rate>,
    /// HTTP connections on the metrics address (64).
    pub http_connections: usize,
    /// How long an HTTP request's head may take (5 s).
    pub http_head: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line: 64 << 10,
            connections: 1000,
            connections_per_address: None,
            unfinished_line: Duration::from_secs(60),
            unread_replies: 256 << 10,
            unread_timeout: Duration::from_secs(60),
            pipelined: 64,
            store: StoreLimits { clients: 4_000_000, bytes: 1 << 30 },
            places_in_flight: 256,
            places_deadline: Duration::from_secs(5),
            whatsat_quota: None,
            whatsat_quota_total: None,
            http_connections: 64,
            http_head: Duration::from_secs(5),
        }
    }
}
