//! The faults by name.

use serde::{Deserialize, Serialize};

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Fault {
    /// Two neighbours do not hear each other.
    Link,
    /// The herd is in two halves.
    Halves,
    /// A server does not hear a neighbour that hears it.
    OneWay,
    /// A server loses packets.
    Loss,
    /// A server is killed; at the end it is started again.
    Kill,
    /// A server is stopped; at the end it goes on.
    Stop,
    /// The disk under a server's log is full.
    FullDisk,
    /// A server has no descriptors for more connections.
    Descriptors,
    /// Places is not there.
    Places,
}

impl Fault {
    #[cfg(test)]
    pub(super) const ALL: [Self; 9] = [
        Self::Link,
        Self::Halves,
        Self::OneWay,
        Self::Loss,
        Self::Kill,
        Self::Stop,
        Self::FullDisk,
        Self::Descriptors,
        Self::Places,
    ];

    /// What people call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Link => "link cut",
            Self::Halves => "two halves",
            Self::OneWay => "one-way",
            Self::Loss => "loss",
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::FullDisk => "full disk",
            Self::Descriptors => "descriptors",
            Self::Places => "Places down",
        }
    }

    /// Whether clients of one server get no answers while it lasts.
    pub(super) const fn silences_a_server(self) -> bool {
        matches!(self, Self::Kill | Self::Stop)
    }
}
