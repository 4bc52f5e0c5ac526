//! A network of this machine's own: a namespace for each member, joined by a bridge in one more.
//! Nothing outside of them changes, and nothing of them is left when it is dropped.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The namespace that the bridge is in.
const HUB: &str = "hub";
/// The first three bytes of all addresses; they mean something within the namespaces only.
const NET: &str = "10.77.0";
/// The last byte of the first member's address; the hub's is 1.
const FIRST: usize = 11;
/// The nftables table of each member.
const TABLE: &str = "faults";

/// Which packets of a member a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// What comes in.
    Input,
    /// What goes out.
    Output,
}

/// The network. As long as it is there, the thread that made it is in the namespace of the
/// bridge, from which all members can be reached.
#[derive(Debug)]
pub struct Network {
    /// Begins the names of this run's namespaces.
    prefix: String,
    members: Vec<String>,
    /// The namespace that the thread came from.
    home: File,
}

/// Why there can be no network here, if so.
#[must_use]
pub fn obstacle() -> Option<String> {
    for program in ["ip", "nft", "prlimit", "mount"] {
        let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if found.is_err() {
            return Some(format!("{program} is not here: install iproute2, nftables, util-linux and mount"));
        }
    }
    let probe = format!("h{}-probe", std::process::id());
    let made = run(&["ip", "netns", "add", &probe]);
    let rules = made.as_ref().map_or(Ok(()), |()| in_namespace(&probe, &["nft", "add", "table", "inet", TABLE]));
    if made.is_ok() {
        let _ = run(&["ip", "netns", "del", &probe]);
    }
    made.and(rules).err().map(|error| format!("network namespaces are not permitted ({error:#})"))
}

impl Network {
    /// Makes the network and moves this thread into it.
    ///
    /// # Errors
    /// If something could not be made; what was made is gone again then.
    pub fn build(members: &[&str]) -> anyhow::Result<Self> {
        let home = File::open("/proc/thread-self/ns/net").context("cannot see the network namespace")?;
        let mut network =
            Self { prefix: format!("h{}-{:04x}", std::process::id(), fastrand::u16(..)), members: Vec::new(), home };
        network.add_hub()?;
        for &member in members {
            network.add(member)?;
        }
        let hub = File::open(Path::new("/run/netns").join(network.namespace(HUB)))?;
        move_into_link_name_space(hub.as_fd(), Some(LinkNameSpaceType::Network))
            .context("cannot enter a network namespace")?;
        Ok(network)
    }

    fn add_hub(&mut self) -> anyhow::Result<()> {
        let hub = self.namespace(HUB);
        run(&["ip", "netns", "add", &hub])?;
        self.members.push(HUB.into());
        run(&["ip", "-n", &hub, "link", "set", "lo", "up"])?;
        run(&["ip", "-n", &hub, "link", "add", "bridge", "type", "bridge"])?;
        run(&["ip", "-n", &hub, "addr", "add", &format!("{NET}.1/24"), "dev", "bridge"])?;
        run(&["ip", "-n", &hub, "link", "set", "bridge", "up"])
    }

    fn add(&mut self, member: &str) -> anyhow::Result<()> {
        let (hub, namespace) = (self.namespace(HUB), self.namespace(member));
        let (wire, address) =
            (format!("wire{}", self.members.len()), format!("{NET}.{}/24", FIRST + self.members.len() - 1));
        run(&["ip", "netns", "add", &namespace])?;
        self.members.push(member.into());
        run(&["ip", "-n", &hub, "link", "add", &wire, "type", "veth", "peer", "name", "eth0", "netns", &namespace])?;
        run(&["ip", "-n", &hub, "link", "set", &wire, "master", "bridge", "up"])?;
        run(&["ip", "-n", &namespace, "link", "set", "lo", "up"])?;
        run(&["ip", "-n", &namespace, "addr", "add", &address, "dev", "eth0"])?;
        run(&["ip", "-n", &namespace, "link", "set", "eth0", "up"])?;
        in_namespace(&namespace, &["nft", "add", "table", "inet", TABLE])?;
        for way in [Way::Input, Way::Output] {
            let hook = format!("{{ type filter hook {} priority 0; }}", way.chain());
            in_namespace(&namespace, &["nft", "add", "chain", "inet", TABLE, way.chain(), &hook])?;
        }
        Ok(())
    }

    fn namespace(&self, member: &str) -> String {
        format!("{}-{member}", self.prefix)
    }

    /// The address of a member.
    ///
    /// # Errors
    /// If there is no such member.
    pub fn address(&self, member: &str) -> anyhow::Result<String> {
        let place = self.members.iter().position(|known| known == member);
        let place = place.with_context(|| format!("{member} is not in the network"))?;
        Ok(if place == 0 { format!("{NET}.1") } else { format!("{NET}.{}", FIRST + place - 1) })
    }

    /// The command that starts a program as a member.
    #[must_use]
    pub fn through(&self, member: &str) -> Vec<String> {
        ["ip", "netns", "exec", &self.namespace(member)].map(String::from).to_vec()
    }

    /// Drops packets of a member that match: in the words of nftables, such as `ip saddr 10.0.0.1`.
    ///
    /// # Errors
    /// If the rule cannot be made.
    pub fn drop_packets(&self, member: &str, way: Way, matching: &str) -> anyhow::Result<()> {
        let mut words = vec!["nft", "add", "rule", "inet", TABLE, way.chain()];
        words.extend(matching.split(' ').chain(["drop"]));
        in_namespace(&self.namespace(member), &words)
    }

    /// Drops no more packets of a member.
    ///
    /// # Errors
    /// If the rules cannot be removed.
    pub fn pass_packets(&self, member: &str) -> anyhow::Result<()> {
        in_namespace(&self.namespace(member), &["nft", "flush", "table", "inet", TABLE])
    }
}

impl Way {
    const fn chain(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // There is nobody to tell, and the rest is to go all the same.
        let _ = move_into_link_name_space(self.home.as_fd(), Some(LinkNameSpaceType::Network));
        for member in &self.members {
            let _ = run(&["ip", "netns", "del", &self.namespace(member)]);
        }
    }
}

fn in_namespace(namespace: &str, words: &[&str]) -> anyhow::Result<()> {
    let mut all = vec!["ip", "netns", "exec", namespace];
    all.extend(words);
    run(&all)
}

/// Runs a command that is done at once.
pub(crate) fn run(words: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(words[0]).args(&words[1..]).stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run {}", words[0]))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {}", words.join(" "), said.trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_comes_and_goes_and_drops_what_it_is_told() {
        if obstacle().is_some() {
            return;
        }
        let network = Network::build(&["one", "two"]).unwrap();
        let listener = std::net::TcpListener::bind((network.address(HUB).unwrap(), 0)).unwrap();
        assert_eq!(network.address("two").unwrap(), "10.77.0.12");
        let port = listener.local_addr().unwrap().port();
        let reach = || {
            let script = format!("exec 3<>/dev/tcp/{NET}.1/{port}");
            let namespace = network.namespace("one");
            in_namespace(&namespace, &["timeout", "0.5", "bash", "-c", &script]).is_ok()
        };
        assert!(reach());
        network.drop_packets("one", Way::Input, &format!("ip saddr {NET}.1")).unwrap();
        assert!(!reach());
        network.pass_packets("one").unwrap();
        assert!(reach());
        let namespace = Path::new("/run/netns").join(network.namespace("one"));
        assert!(namespace.exists());
        drop(network);
        assert!(!namespace.exists());
    }
}
