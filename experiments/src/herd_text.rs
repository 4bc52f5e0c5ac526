//! The text of a herd file.

use std::fmt::Write;

use herd::config::ServerEntry;

/// The herd file of some servers, and of links between pairs of them by their places in the
/// list.
#[must_use]
pub fn herd_text(servers: &[ServerEntry], links: &[[usize; 2]]) -> String {
    let mut text = String::from("links = [\n");
    // A String takes every write.
    for &[a, b] in links {
        let _ = writeln!(text, "    [\"{}\", \"{}\"],", servers[a].name, servers[b].name);
    }
    text.push_str("]\n");
    for ServerEntry { name, clients, peers, metrics } in servers {
        let _ = writeln!(text, "\n[servers.{name}]");
        for (key, address) in [("clients", clients), ("peers", peers), ("metrics", metrics)] {
            let _ = writeln!(text, "{key} = \"{address}\"");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use herd::config::Herd;

    use super::*;

    #[test]
    fn it_is_read_as_the_herd_that_it_was_written_from() {
        let herd = Herd::built_in();
        let read = Herd::parse(&herd_text(herd.servers(), herd.links())).unwrap();
        assert_eq!(read.links(), herd.links());
        assert_eq!(format!("{:?}", read.servers()), format!("{:?}", herd.servers()));
    }
}
