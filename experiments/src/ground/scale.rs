//! How much is under way at a time.

/// Connections, a client each, that gates are stated for.
pub(super) const CONNECTIONS: usize = 50;
const MANY_CONNECTIONS: usize = 1000;
const PIPELINE: usize = 16;

/// Connections, and commands of each that are under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// One command of each connection at a time.
    Single,
    /// A pipeline on each connection.
    Deep,
    /// A pipeline on each of many connections.
    Wide,
}

impl Scale {
    pub(super) const fn connections(self) -> usize {
        match self {
            Self::Single | Self::Deep => CONNECTIONS,
            Self::Wide => MANY_CONNECTIONS,
        }
    }

    pub(super) const fn pipeline(self) -> usize {
        match self {
            Self::Single => 1,
            Self::Deep | Self::Wide => PIPELINE,
        }
    }

    /// As names of arms end.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Single => "P=1",
            Self::Deep => "P=16",
            Self::Wide => "P=16, 1000 connections",
        }
    }
}
