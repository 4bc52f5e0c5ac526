//! How a link of an observer opens, and why it does not (PROTOCOL.md, "Opening").

use std::io;
use std::net::SocketAddr;

use super::SILENCE;

/// The most bytes that the answer to HELLO may have.
const LONGEST_ANSWER: usize = 1024;
/// Characters that are shown of an answer that is none.
const SHOWN: usize = 100;
/// What a TLS record begins with that says what is wrong, instead of an answer.
const TLS_ALERT: u8 = 0x15;

/// Why there is no tap, and so no run.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    /// A server cannot be observed.
    #[error("the tap cannot observe {server} at {address}: {why}")]
    Link {
        /// The server.
        server: String,
        /// Where it listens for links.
        address: SocketAddr,
        /// Why.
        why: NoLink,
    },
    /// The event loop failed.
    #[error("the tap's event loop failed: {0}")]
    Io(#[from] io::Error),
}

/// Why there is no link, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum NoLink {
    /// The connection failed or broke.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The server closed the connection.
    #[error("it closed the connection")]
    Closed,
    /// Nothing was heard for too long.
    #[error("nothing was heard for {} s", SILENCE.as_secs())]
    Silent,
    /// The server does not want the tap.
    #[error("it refused: {said}; add observers = [{name:?}] to the herd file and restart the servers")]
    Refused {
        /// What it said.
        said: String,
        /// Who the tap said it is.
        name: String,
    },
    /// The server wants TLS first.
    #[error(
        "its links use TLS, which the tap does not speak: it observes herds whose links are on one machine, without TLS"
    )]
    Tls,
    /// Somebody else is there.
    #[error("{0} answered there")]
    WrongName(String),
    /// It is no server of this protocol.
    #[error("its answer to HELLO is {0:?}")]
    NoHello(String),
    /// A line did not end.
    #[error("it sent a line without an end")]
    Endless,
}

impl NoLink {
    /// Whether dialling again soon is of no use: somebody has to change something first.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Tls | Self::WrongName(_) | Self::NoHello(_))
    }
}

/// What an observer says first.
pub(super) fn hello(name: &str) -> Vec<u8> {
    format!("HELLO herd/1 {name}\n").into_bytes()
}

/// Reads what a server has said so far to the HELLO of `name`. Once that opens the link it is the
/// length of its line, LF included.
pub(super) fn answer(said: &[u8], server: &str, name: &str) -> Result<Option<usize>, NoLink> {
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().take(SHOWN).collect();
    if said.first() == Some(&TLS_ALERT) {
        return Err(NoLink::Tls);
    }
    let Some(end) = memchr::memchr(b'\n', said) else {
        return if said.len() > LONGEST_ANSWER { Err(NoLink::NoHello(shown(said))) } else { Ok(None) };
    };
    let line = &said[..end];
    if let Some(reason) = line.strip_prefix(b"REFUSED ") {
        return Err(NoLink::Refused { said: String::from_utf8_lossy(reason).into(), name: name.into() });
    }
    let mut words = line.split(|&byte| byte == b' ');
    match [words.next(), words.next(), words.next()] {
        [Some(b"HELLO"), Some(b"herd/1"), Some(found)] if found == server.as_bytes() => Ok(Some(end + 1)),
        [Some(b"HELLO"), Some(b"herd/1"), Some(found)] => Err(NoLink::WrongName(shown(found))),
        _ => Err(NoLink::NoHello(shown(line))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_by_table() {
        let said = |text: &[u8]| answer(text, "Clark", "tap").map_err(|why| why.to_string());
        for (text, length) in [
            (&b""[..], None),
            (b"HELLO herd/1 Cl", None),
            (b"HELLO herd/1 Clark\n", Some(19)),
            (b"HELLO herd/1 Clark sync more\nAT Bona", Some(29)),
        ] {
            assert_eq!(said(text), Ok(length));
        }
        for (text, why) in [
            (
                &b"REFUSED nobody knows you\n"[..],
                "it refused: nobody knows you; add observers = [\"tap\"] to the herd file and restart the servers",
            ),
            (b"\x15\x03\x03\x00\x02\x02\x0a", "its links use TLS, which the tap does not speak"),
            (b"HELLO herd/1 Bona sync\n", "Bona answered there"),
            (b"HELLO herd/2 Clark\n", "its answer to HELLO is \"HELLO herd/2 Clark\""),
            (b"HELLO herd/1\n", "its answer to HELLO is \"HELLO herd/1\""),
            (b"? HELLO herd/1 tap\n", "its answer to HELLO is \"? HELLO herd/1 tap\""),
            (&[b'x'; 1025], "its answer to HELLO is \"xxx"),
        ] {
            let found = said(text).unwrap_err();
            assert!(found.starts_with(why), "{found}");
        }
    }
}
