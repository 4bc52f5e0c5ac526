//! What is measured beside each other.

use std::fmt;

use serde::{Serialize, Serializer};

use super::scale::Scale::{self, Deep, Single, Wide};
use super::{Ground, Measured, herd_arm, memory_arm, neighbours, redis_arm};
use crate::experiment::Folder;
use crate::redis::UpdateCommand::{self, Geoadd, Set};

/// One thing that is measured, by itself, with processes of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arm {
    /// The null responder.
    Null(Scale),
    /// A herd of one server.
    One(Scale),
    /// Five servers, as fast as they go.
    Herd(Scale),
    /// The same without a log.
    Unlogged(Scale),
    /// Redis with replicas, as fast as it goes.
    Redis(UpdateCommand, Scale),
    /// Five servers at half of their highest rate (P=1).
    Half,
    /// Redis at the same rate.
    HalfRedis,
    /// Five servers with next to nothing to do, and a tap.
    Idle,
    /// Three processes in a row that pass bytes on.
    Relay,
    /// Five servers that are asked about places all the time.
    Whatsat,
    /// The Places stub alone.
    Stub,
    /// One server with many connections.
    Connected,
    /// Five servers that know many clients.
    Stored,
}

impl Arm {
    /// All, in the order of the first round: what is compared stands side by side.
    pub(super) const ALL: [Self; 22] = [
        Self::Null(Single),
        Self::One(Single),
        Self::Null(Deep),
        Self::One(Deep),
        Self::One(Wide),
        Self::Herd(Single),
        Self::Unlogged(Single),
        Self::Redis(Set, Single),
        Self::Redis(Geoadd, Single),
        Self::Herd(Wide),
        Self::Herd(Deep),
        Self::Unlogged(Deep),
        Self::Redis(Set, Deep),
        Self::Redis(Geoadd, Deep),
        Self::Half,
        Self::HalfRedis,
        Self::Idle,
        Self::Relay,
        Self::Whatsat,
        Self::Stub,
        Self::Connected,
        Self::Stored,
    ];

    /// Whose rate counts as the herd's highest: with pipelines, updates are replaced while they wait
    /// for their turn, at rates that no client can send on a schedule.
    pub(super) const MAXIMUM: Self = Self::Herd(Single);

    pub(super) const fn needs_redis(self) -> bool {
        matches!(self, Self::Redis(..) | Self::HalfRedis)
    }

    /// Whether it goes at a rate that is given.
    pub(super) const fn is_paced(self) -> bool {
        matches!(self, Self::Half | Self::HalfRedis | Self::Idle)
    }

    /// Whether it is about memory, which does not move from round to round.
    pub(super) const fn is_memory(self) -> bool {
        matches!(self, Self::Connected | Self::Stored)
    }

    pub(super) async fn run(self, ground: &Ground<'_>, folder: &Folder) -> anyhow::Result<Measured> {
        match self {
            Self::Null(scale) => neighbours::null_responder(ground, scale, folder).await,
            Self::One(scale) => herd_arm::one_server(ground, scale, folder).await,
            Self::Herd(scale) => herd_arm::five_servers(ground, scale, &[], folder).await,
            Self::Unlogged(scale) => herd_arm::five_servers(ground, scale, &["--no-log"], folder).await,
            Self::Redis(command, scale) => redis_arm::closed(ground, command, scale, folder).await,
            Self::Half => herd_arm::half(ground, folder).await,
            Self::HalfRedis => redis_arm::half(ground, folder).await,
            Self::Idle => herd_arm::idle(ground, folder).await,
            Self::Relay => neighbours::byte_relay(ground, folder).await,
            Self::Whatsat => herd_arm::whatsat(ground, folder).await,
            Self::Stub => neighbours::stub(ground, folder).await,
            Self::Connected => memory_arm::connected(ground, folder).await,
            Self::Stored => memory_arm::stored(ground, folder).await,
        }
    }

    /// The name of its folder.
    pub(super) fn folder(self) -> String {
        let name = self.to_string().replace('=', "");
        name.split([' ', ',']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-").to_lowercase()
    }
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null(scale) => write!(f, "null responder, {}", scale.name()),
            Self::One(scale) => write!(f, "one server, {}", scale.name()),
            Self::Herd(scale) => write!(f, "herd, {}", scale.name()),
            Self::Unlogged(scale) => write!(f, "herd without log, {}", scale.name()),
            Self::Redis(command, scale) => {
                write!(f, "Redis {}, {}", command.name().to_uppercase(), scale.name())
            }
            Self::Half => f.write_str("herd at half its rate"),
            Self::HalfRedis => f.write_str("Redis SET at that rate"),
            Self::Idle => f.write_str("herd, idle, tapped"),
            Self::Relay => f.write_str("bare relay"),
            Self::Whatsat => f.write_str("herd, WHATSAT"),
            Self::Stub => f.write_str("Places stub alone"),
            Self::Connected => f.write_str("clients connected to one server"),
            Self::Stored => f.write_str("clients stored by the others"),
        }
    }
}

impl Serialize for Arm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_arm_has_a_name_and_a_folder_of_its_own() {
        let names: BTreeSet<String> = Arm::ALL.iter().map(ToString::to_string).collect();
        let folders: BTreeSet<String> = Arm::ALL.iter().map(|arm| arm.folder()).collect();
        assert_eq!((names.len(), folders.len()), (Arm::ALL.len(), Arm::ALL.len()));
        assert_eq!(Arm::Herd(Wide).folder(), "herd-p16-1000-connections");
    }
}
