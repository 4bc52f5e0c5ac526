//! The text of a herd file.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use herd::config::{Address, Herd};
use herd::protocol::text::Name;

/// Neighbours and observers of one server, at most.
const MOST_NEIGHBOURS: usize = 64;

/// Any text as a herd file: what is accepted keeps the rules of DESIGN 3, what is refused gets
/// one sentence.
pub fn herd_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Herd::parse(text) {
        Ok(herd) => {
            check_names(&herd);
            check_addresses(&herd);
            check_links(&herd);
            assert!(is_the_same(&herd, &Herd::parse(&write(&herd)).expect("what was accepted is valid")));
        }
        Err(error) => check_sentence(&error.to_string(), text),
    }
}

fn check_sentence(sentence: &str, text: &str) {
    assert!(sentence.starts_with("herd file"), "{sentence:?}");
    assert!(!sentence.contains('\n'), "more than a line: {sentence:?}");
    if let Some(rest) = sentence.strip_prefix("herd file, line ") {
        let line: usize = rest.split(':').next().and_then(|number| number.parse().ok()).expect("a number");
        assert!((1..=1 + text.matches('\n').count()).contains(&line), "there is no line {line}");
    }
}

fn check_names(herd: &Herd) {
    let names: Vec<&str> =
        herd.servers().iter().map(|server| &server.name).chain(herd.observers()).map(Name::as_str).collect();
    let mut taken = BTreeSet::from(["certs", "check", "completions", "help", "man"].map(str::to_owned));
    for name in names {
        assert!((1..=63).contains(&name.len()), "{name:?}");
        assert!(name.chars().all(|c| matches!(c, 'A'..='Z' | 'a'..='z' | '0'..='9' | '.' | '_' | '-')), "{name:?}");
        assert!(taken.insert(name.to_ascii_lowercase()), "{name:?} is taken");
    }
    assert!(!herd.servers().is_empty());
    assert!(herd.servers().is_sorted_by(|a, b| a.name.as_str() < b.name.as_str()));
    for (place, server) in herd.servers().iter().enumerate() {
        assert_eq!(herd.find(server.name.as_str()).ok(), Some(place));
    }
}

/// No two listeners on one port of one address, however it is spelt.
fn check_addresses(herd: &Herd) {
    let mut used = BTreeSet::new();
    for address in herd.servers().iter().flat_map(|server| [&server.clients, &server.peers, &server.metrics]) {
        assert_ne!(address.port(), 0);
        let host = address.host().to_ascii_lowercase();
        let host = host.parse::<IpAddr>().map_or(host, |ip| ip.to_canonical().to_string());
        assert!(used.insert((host, address.port())), "{address} is used twice");
        assert_eq!(address.to_string().parse::<Address>().as_ref(), Ok(address));
    }
}

fn check_links(herd: &Herd) {
    let servers = herd.servers().len();
    let mut reached: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for &[a, b] in herd.links() {
        assert!(a < b && b < servers, "{a} and {b} of {servers}");
        assert!(seen.insert((a, b)), "{a} and {b} are linked twice");
        reached.entry(a).or_default().insert(b);
        reached.entry(b).or_default().insert(a);
    }
    for server in 0..servers {
        let neighbours: Vec<usize> = reached.get(&server).into_iter().flatten().copied().collect();
        assert_eq!(herd.neighbours(server), neighbours);
        assert!(neighbours.len() + herd.observers().len() <= MOST_NEIGHBOURS);
    }
    // Colours spread along the links; in a herd that holds together one is left.
    let mut colours: Vec<usize> = (0..servers).collect();
    for &[a, b] in herd.links() {
        let (from, to) = (colours[a], colours[b]);
        colours.iter_mut().filter(|colour| **colour == from).for_each(|colour| *colour = to);
    }
    assert!(colours.iter().all(|&colour| colour == colours[0]), "some servers are apart");
}

/// The same herd as a file.
fn write(herd: &Herd) -> String {
    let name = |place: usize| herd.servers()[place].name.as_str();
    let links: Vec<[&str; 2]> = herd.links().iter().map(|&link| link.map(name)).collect();
    let observers: Vec<&str> = herd.observers().iter().map(Name::as_str).collect();
    let mut text = format!("links = {links:?}\nobservers = {observers:?}\n");
    for server in herd.servers() {
        text += &format!("[servers.\"{}\"]\n", server.name);
        for (key, address) in [("clients", &server.clients), ("peers", &server.peers), ("metrics", &server.metrics)] {
            text += &format!("{key} = \"{address}\"\n");
        }
    }
    text
}

fn is_the_same(a: &Herd, b: &Herd) -> bool {
    format!("{a:?}") == format!("{b:?}")
}
