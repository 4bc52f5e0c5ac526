//! Whether replicas have all that the primary has: by the numbers of bytes of its stream.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::protocol::Questions;

/// How often is looked.
const LOOK: Duration = Duration::from_millis(1);

/// Asks until every replica has what the primary had told it; returns whether that came in time.
///
/// # Errors
/// If one does not answer.
pub(super) fn wait_until_equal(primary: SocketAddr, replicas: &[SocketAddr], within: Duration) -> io::Result<bool> {
    let deadline = Instant::now() + within;
    let mut primary = Questions::connect(primary)?;
    let mut replicas = replicas.iter().map(|&replica| Questions::connect(replica)).collect::<io::Result<Vec<_>>>()?;
    loop {
        let written = number(&mut primary, "master_repl_offset")?;
        let mut equal = written.is_some();
        for replica in &mut replicas {
            equal &= number(replica, "slave_repl_offset")? >= written;
        }
        if equal || Instant::now() >= deadline {
            return Ok(equal);
        }
        #[allow(clippy::disallowed_methods)] // this thread has nothing else to do
        std::thread::sleep(LOOK);
    }
}

/// Whether a replica has joined its primary.
pub(super) fn has_joined(replica: SocketAddr) -> io::Result<bool> {
    let text = Questions::connect(replica)?.ask(&[b"INFO", b"replication"])?;
    Ok(value(&String::from_utf8_lossy(&text), "master_link_status") == Some("up"))
}

/// Whether a server answers.
pub(super) fn answers(server: SocketAddr) -> bool {
    Questions::connect(server).and_then(|mut server| server.ask(&[b"PING"])).is_ok_and(|answer| answer == b"PONG")
}

fn number(server: &mut Questions, key: &str) -> io::Result<Option<u64>> {
    let text = server.ask(&[b"INFO", b"replication"])?;
    Ok(value(&String::from_utf8_lossy(&text), key).and_then(|value| value.parse().ok()))
}

/// The value in the `key:value` lines of INFO.
fn value<'a>(info: &'a str, key: &str) -> Option<&'a str> {
    info.lines().filter_map(|line| line.split_once(':')).find(|(found, _)| *found == key).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_whole_key() {
        let info = "# Replication\r\nrole:slave\r\nslave_repl_offset:17\r\nmaster_repl_offset:18\r\n";
        assert_eq!(value(info, "master_repl_offset"), Some("18"));
        assert_eq!(value(info, "repl_offset"), None);
    }
}
