//! Who may connect: so many clients at a time, and so many of them from one address (DESIGN 5).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Limits;
use crate::metrics::Rejected;

/// The bits of an IPv6 address that one customer of a network usually has for itself.
const HOST_BITS: u32 = 64;

/// Room for client connections.
#[derive(Debug)]
pub(super) struct Room {
    /// One permit per connection that may yet be opened.
    connections: Arc<Semaphore>,
    per_address: Option<usize>,
    sources: Sources,
}

/// A connection's part of the room, for as long as it is held.
#[derive(Debug)]
pub struct Admission {
    _connection: OwnedSemaphorePermit,
    _source: Option<SourceShare>,
}

/// How many connections each source has that has any.
type Sources = Arc<Mutex<HashMap<Source, usize>>>;

impl Room {
    pub(super) fn new(limits: &Limits) -> Self {
        let connections = Arc::new(Semaphore::new(limits.connections));
        Self { connections, per_address: limits.connections_per_address, sources: Sources::default() }
    }

    /// Room for a connection from `address`, or why there is none.
    pub(super) fn admit(&self, address: IpAddr) -> Result<Admission, Rejected> {
        let connection = Arc::clone(&self.connections).try_acquire_owned().map_err(|_| Rejected::Limit)?;
        let share = |limit| SourceShare::take(&self.sources, Source::of(address), limit).ok_or(Rejected::Address);
        Ok(Admission { _connection: connection, _source: self.per_address.map(share).transpose()? })
    }

    /// How many more connections there is room for.
    pub(super) fn free(&self) -> usize {
        self.connections.available_permits()
    }
}

/// Who may stand behind an address: a host by IPv4, a /64 prefix by IPv6, where a host chooses
/// the rest as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Source(IpAddr);

impl Source {
    fn of(address: IpAddr) -> Self {
        // A socket for both shows IPv4 addresses inside one and the same IPv6 prefix.
        Self(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> HOST_BITS << HOST_BITS).into(),
            address @ IpAddr::V4(_) => address,
        })
    }
}

/// One of the connections that a source may have.
#[derive(Debug)]
struct SourceShare {
    sources: Sources,
    source: Source,
}

impl SourceShare {
    fn take(sources: &Sources, source: Source, limit: usize) -> Option<Self> {
        let mut counts = sources.lock().expect("nothing panics while it holds this lock");
        let count = counts.get(&source).copied().unwrap_or_default();
        if count >= limit {
            return None;
        }
        counts.insert(source, count + 1);
        Some(Self { sources: Arc::clone(sources), source })
    }
}

impl Drop for SourceShare {
    fn drop(&mut self) {
        let mut counts = self.sources.lock().expect("nothing panics while it holds this lock");
        match counts.get_mut(&self.source) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.remove(&self.source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(connections: usize, per_address: usize) -> Room {
        Room::new(&Limits { connections, connections_per_address: Some(per_address), ..Limits::default() })
    }

    fn admit(room: &Room, address: &str) -> Result<Admission, Rejected> {
        room.admit(address.parse().expect(address))
    }

    #[test]
    fn an_address_has_its_share_and_gets_it_back() {
        let room = room(100, 2);
        let first = admit(&room, "192.0.2.1").unwrap();
        let _second = admit(&room, "192.0.2.1").unwrap();
        assert_eq!(admit(&room, "192.0.2.1").unwrap_err(), Rejected::Address);
        let _other = admit(&room, "192.0.2.2").unwrap();
        drop(first);
        let _third = admit(&room, "192.0.2.1").unwrap();
        assert_eq!(admit(&room, "192.0.2.1").unwrap_err(), Rejected::Address);
    }

    #[test]
    fn who_is_refused_takes_no_room() {
        let room = room(2, 1);
        let _first = admit(&room, "192.0.2.1").unwrap();
        assert_eq!(admit(&room, "192.0.2.1").unwrap_err(), Rejected::Address);
        let second = admit(&room, "192.0.2.2").unwrap();
        assert_eq!(admit(&room, "192.0.2.3").unwrap_err(), Rejected::Limit);
        drop(second);
        admit(&room, "192.0.2.3").unwrap();
    }

    #[test]
    fn addresses_cost_nothing_once_their_connections_are_gone() {
        let room = room(1000, 5);
        let held: Vec<_> = (0..1000).map(|n| admit(&room, &format!("10.0.{}.{}", n / 250, n % 250)).unwrap()).collect();
        assert_eq!(room.sources.lock().unwrap().len(), 1000);
        drop(held);
        assert!(room.sources.lock().unwrap().is_empty());
    }

    #[test]
    fn without_a_limit_no_address_is_kept() {
        let room = Room::new(&Limits::default());
        let _held = admit(&room, "192.0.2.1").unwrap();
        assert!(room.sources.lock().unwrap().is_empty());
    }

    #[test]
    fn the_source_of_an_address_by_table() {
        let source = |text: &str| Source::of(text.parse().expect(text));
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
            ("::ffff:192.0.2.1", "192.0.2.1", true),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.2", false),
            ("::1", "::ffff:192.0.2.1", false),
        ] {
            assert_eq!(source(one) == source(other), same, "{one} and {other}");
        }
    }
}
