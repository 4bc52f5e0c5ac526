//! The herd file (DESIGN 3): read, checked, and every mistake in it named with its line.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::{Address, Herd, ServerEntry, Topology};
use crate::flood::MAX_NEIGHBOURS;
use crate::protocol::text::Name;

/// Names that would be taken for something else on the command line.
const RESERVED: [&str; 5] = ["certs", "check", "completions", "help", "man"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    servers: BTreeMap<Spanned<String>, Addresses>,
    #[serde(default)]
    links: Vec<Spanned<[String; 2]>>,
    #[serde(default)]
    observers: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Addresses {
    clients: Spanned<String>,
    peers: Spanned<String>,
    metrics: Spanned<String>,
}

/// What is wrong with a herd file.
#[derive(Debug, thiserror::Error)]
pub enum HerdFileError {
    /// It could not be read.
    #[error("cannot read the herd file {}: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// It does not describe a herd.
    #[error("herd file{}{}: {what}", path_part(path.as_deref()), line_part(*line))]
    Invalid {
        /// The file, if it is one.
        path: Option<PathBuf>,
        /// The line, where one is to blame; counted from 1.
        line: Option<usize>,
        /// The mistake.
        what: String,
    },
}

fn path_part(path: Option<&Path>) -> String {
    path.map(|path| format!(" {}", path.display())).unwrap_or_default()
}

fn line_part(line: Option<usize>) -> String {
    line.map(|line| format!(", line {line}")).unwrap_or_default()
}

/// A mistake and the bytes of the text that hold it.
struct Mistake {
    at: Option<Range<usize>>,
    what: String,
}

fn mistake<T>(at: Range<usize>, what: String) -> Result<T, Mistake> {
    Err(Mistake { at: Some(at), what })
}

impl Herd {
    /// Reads a herd file.
    ///
    /// # Errors
    /// [`HerdFileError`]: the file, the line and the mistake in one sentence.
    pub fn read(path: &Path) -> Result<Self, HerdFileError> {
        let text = std::fs::read_to_string(path)
            .map_err(|cause| HerdFileError::Unreadable { path: path.to_owned(), cause })?;
        Self::parse(&text).map_err(|error| match error {
            HerdFileError::Invalid { line, what, .. } => {
                HerdFileError::Invalid { path: Some(path.to_owned()), line, what }
            }
            unreadable @ HerdFileError::Unreadable { .. } => unreadable,
        })
    }

    /// The herd that the text of a herd file describes.
    ///
    /// # Errors
    /// [`HerdFileError::Invalid`]: the line and the mistake.
    pub fn parse(text: &str) -> Result<Self, HerdFileError> {
        let file = toml::from_str(text).map_err(|error| Mistake { at: error.span(), what: one_line(error.message()) });
        file.and_then(checked).map_err(|Mistake { at, what }| {
            let line = at.map(|at| 1 + text[..at.start.min(text.len())].matches('\n').count());
            HerdFileError::Invalid { path: None, line, what }
        })
    }
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn checked(file: File) -> Result<Herd, Mistake> {
    let observers = file.observers;
    let mut taken = BTreeMap::new();
    for name in file.servers.keys().chain(&observers) {
        check_name(name, &mut taken)?;
    }
    let mut used = BTreeMap::new();
    let mut servers = Vec::new();
    for (name, addresses) in file.servers {
        let [clients, peers, metrics] =
            [("clients", addresses.clients), ("peers", addresses.peers), ("metrics", addresses.metrics)]
                .map(|(key, text)| check_address(&format!("servers.{}.{key}", name.get_ref()), &text, &mut used));
        let name = valid_name(&name)?;
        servers.push(ServerEntry { name, clients: clients?, peers: peers?, metrics: metrics? });
    }
    servers.sort_by(|a, b| a.name.cmp(&b.name));
    let observers = observers.iter().map(valid_name).collect::<Result<Vec<_>, _>>()?;
    let links = check_links(&file.links, &servers)?;
    check_graph(&servers, &links, observers.len())?;
    Ok(Herd { servers, links, observers })
}

fn valid_name(name: &Spanned<String>) -> Result<Name, Mistake> {
    Name::new(name.get_ref()).map_or_else(
        || {
            mistake(
                name.span(),
                format!(
                    "{:?} is not a name: 1 to 63 letters, digits, dots, underscores and dashes are",
                    name.get_ref()
                ),
            )
        },
        Ok,
    )
}

/// `taken` holds the names so far, by their lower case.
fn check_name(name: &Spanned<String>, taken: &mut BTreeMap<String, String>) -> Result<(), Mistake> {
    let text = valid_name(name)?.to_string();
    let lower = text.to_ascii_lowercase();
    if RESERVED.contains(&lower.as_str()) {
        return mistake(name.span(), format!("the name {text:?} is a command of the server program: choose another"));
    }
    match taken.insert(lower, text.clone()) {
        Some(other) => mistake(
            name.span(),
            format!("the name {text:?} is doubled: {other:?} is there already, and case does not distinguish names"),
        ),
        None => Ok(()),
    }
}

/// `used` holds the addresses so far, in their canonical form, with the key that each stands under.
fn check_address(key: &str, text: &Spanned<String>, used: &mut BTreeMap<String, String>) -> Result<Address, Mistake> {
    let address: Address = match text.get_ref().parse() {
        Ok(address) => address,
        Err(error) => return mistake(text.span(), format!("{key}: {error}")),
    };
    if address.port() == 0 {
        return mistake(text.span(), format!("{key}: port 0 is no port that neighbours and clients could know"));
    }
    match used.insert(address.canonical(), key.to_owned()) {
        Some(other) => mistake(text.span(), format!("{key}: {address} is used already, by {other}")),
        None => Ok(address),
    }
}

fn check_links(links: &[Spanned<[String; 2]>], servers: &[ServerEntry]) -> Result<Vec<[usize; 2]>, Mistake> {
    let mut places: Vec<[usize; 2]> = Vec::new();
    for link in links {
        let [a, b] = link.get_ref();
        let place = |name: &String| {
            let place = servers.iter().position(|server| server.name.as_str() == name);
            place
                .map_or_else(|| mistake(link.span(), format!("links: there is no server {name:?} under [servers]")), Ok)
        };
        let mut pair = [place(a)?, place(b)?];
        pair.sort_unstable();
        if pair[0] == pair[1] {
            return mistake(link.span(), format!("links: {a} is linked with itself"));
        }
        if places.contains(&pair) {
            return mistake(link.span(), format!("links: {a} and {b} are linked twice"));
        }
        places.push(pair);
    }
    Ok(places)
}

fn check_graph(servers: &[ServerEntry], links: &[[usize; 2]], observers: usize) -> Result<(), Mistake> {
    let whole_file = |what| Err(Mistake { at: None, what });
    if servers.is_empty() {
        return whole_file("there is no server: write [servers.NAME] with clients, peers and metrics".into());
    }
    let topology = Topology::new(servers.len(), links);
    let hops = topology.hops(0, &[]);
    if let Some(apart) = hops.iter().position(Option::is_none) {
        let [first, apart] = [0, apart].map(|server| &servers[server].name);
        return whole_file(format!("the links do not join all servers: {apart} cannot be reached from {first}"));
    }
    for (place, server) in servers.iter().enumerate() {
        let neighbours = topology.neighbours(place).len() + observers;
        if neighbours > MAX_NEIGHBOURS {
            return whole_file(format!(
                "{} has {neighbours} neighbours and observers: {MAX_NEIGHBOURS} are the most",
                server.name
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "[servers.A]\nclients = \"127.0.0.1:1\"\npeers = \"127.0.0.1:2\"\nmetrics = \"127.0.0.1:3\"\n";
    const B: &str = "[servers.B]\nclients = \"127.0.0.1:4\"\npeers = \"127.0.0.1:5\"\nmetrics = \"127.0.0.1:6\"\n";

    fn mistake_in(text: &str) -> String {
        Herd::parse(text).expect_err(text).to_string()
    }

    #[test]
    fn the_built_in_herd_is_the_assignments() {
        let herd = Herd::built_in();
        let names: Vec<_> = herd.servers().iter().map(|server| server.name.as_str()).collect();
        assert_eq!(names, ["Bailey", "Bona", "Campbell", "Clark", "Jaquez"]);
        let neighbours = |name: &str| -> Vec<&str> {
            let places = herd.neighbours(herd.find(name).unwrap());
            places.into_iter().map(|place| names[place]).collect()
        };
        assert_eq!(neighbours("Clark"), ["Bona", "Jaquez"]);
        assert_eq!(neighbours("Campbell"), ["Bailey", "Bona", "Jaquez"]);
        assert_eq!(neighbours("Bona"), ["Bailey", "Campbell", "Clark"]);
        assert_eq!(herd.links().len(), 6);
        assert_eq!(herd.servers()[3].clients.to_string(), "127.0.0.1:10003");
    }

    #[test]
    fn an_unknown_server_gets_the_valid_names() {
        assert_eq!(
            Herd::built_in().find("clark").unwrap_err().to_string(),
            "there is no server \"clark\" in this herd: the servers are Bailey, Bona, Campbell, Clark, Jaquez"
        );
    }

    #[test]
    fn one_server_alone_is_a_herd() {
        assert_eq!(Herd::parse(A).unwrap().links().len(), 0);
    }

    #[test]
    fn mistakes_by_table() {
        for (text, expected) in [
            (String::new(), "herd file, line 1: missing field `servers`"),
            ("[servers]".into(), "herd file: there is no server: write [servers.NAME] with clients, peers and metrics"),
            (format!("{A}{B}"), "herd file: the links do not join all servers: B cannot be reached from A"),
            (
                format!("links = [\n[\"A\", \"C\"]]\n{A}{B}"),
                "herd file, line 2: links: there is no server \"C\" under [servers]",
            ),
            (format!("links = [[\"A\", \"A\"]]\n{A}"), "herd file, line 1: links: A is linked with itself"),
            (
                format!("links = [[\"A\", \"B\"],\n[\"B\", \"A\"]]\n{A}{B}"),
                "herd file, line 2: links: B and A are linked twice",
            ),
            (
                format!("color = 1\n{A}"),
                "herd file, line 1: unknown field `color`, expected one of `servers`, `links`, `observers`",
            ),
            (
                format!("{A}port = 1\n"),
                "herd file, line 5: unknown field `port`, expected one of `clients`, `peers`, `metrics`",
            ),
            (
                A.replace("\"127.0.0.1:2\"", "\"127.0.0.1\""),
                "herd file, line 3: servers.A.peers: \"127.0.0.1\" is not an address: write HOST:PORT, such as 127.0.0.1:10003 or [::1]:10003",
            ),
            (
                A.replace(":2", ":1"),
                "herd file, line 3: servers.A.peers: 127.0.0.1:1 is used already, by servers.A.clients",
            ),
            (
                A.replace("127.0.0.1:1", "[::1]:1").replace("127.0.0.1:2", "[0:0::0:1]:1"),
                "herd file, line 3: servers.A.peers: [0:0::0:1]:1 is used already, by servers.A.clients",
            ),
            (
                A.replace("127.0.0.1:1", "localhost:1").replace("127.0.0.1:2", "Localhost:1"),
                "herd file, line 3: servers.A.peers: Localhost:1 is used already, by servers.A.clients",
            ),
            (
                A.replace("127.0.0.1:2", "[::ffff:127.0.0.1]:1"),
                "herd file, line 3: servers.A.peers: [::ffff:127.0.0.1]:1 is used already, by servers.A.clients",
            ),
            (
                A.replace(":2", ":0"),
                "herd file, line 3: servers.A.peers: port 0 is no port that neighbours and clients could know",
            ),
            (
                A.replace("servers.A", "servers.check"),
                "herd file, line 1: the name \"check\" is a command of the server program: choose another",
            ),
            (
                A.replace("servers.A", "servers.\"A b\""),
                "herd file, line 1: \"A b\" is not a name: 1 to 63 letters, digits, dots, underscores and dashes are",
            ),
            (
                format!("{A}{}", B.replace("servers.B", "servers.a")),
                "herd file, line 5: the name \"a\" is doubled: \"A\" is there already, and case does not distinguish names",
            ),
            (
                format!("observers = [\"a\"]\n{A}"),
                "herd file, line 1: the name \"a\" is doubled: \"A\" is there already, and case does not distinguish names",
            ),
        ] {
            assert_eq!(mistake_in(&text), expected, "{text}");
        }
    }

    #[test]
    fn toml_mistakes_have_a_line_too() {
        assert!(
            mistake_in(&format!("{A}{A}")).starts_with("herd file, line 5: "),
            "{}",
            mistake_in(&format!("{A}{A}"))
        );
        assert!(mistake_in("servers = 3").starts_with("herd file, line 1: invalid type: integer `3`"));
        assert!(
            mistake_in("links = [\n[\"A\"]]\n").starts_with("herd file, line 2: "),
            "{}",
            mistake_in("links = [\n[\"A\"]]\n")
        );
        assert!(mistake_in("[servers.A]\nclients = \"a:1\n").starts_with("herd file, line 2: "));
    }

    #[test]
    fn more_neighbours_than_fit_are_refused() {
        let observers: Vec<String> = (0..65).map(|n| format!("\"tap{n}\"")).collect();
        let text = format!("observers = [{}]\n{A}", observers.join(","));
        assert_eq!(mistake_in(&text), "herd file: A has 65 neighbours and observers: 64 are the most");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let error = Herd::read(Path::new("/nonexistent/herd.toml")).unwrap_err().to_string();
        assert_eq!(error, "cannot read the herd file /nonexistent/herd.toml: No such file or directory (os error 2)");
    }
}
