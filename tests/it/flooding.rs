//! SPEC 4 and 5: updates reach every server that can be reached, the same one wins everywhere,
//! and nobody is held up by somebody else.

use std::collections::{BTreeMap, BTreeSet};

use herd::protocol::update::AtLine;

use crate::client::{Client, NOTHING, exchange_text};
use crate::running::{FIVE, RunningHerd, Setup, eventually};

fn knows(herd: &RunningHerd, server: usize, id: &str) -> bool {
    herd.server(server).node.flood().store().get(id.as_bytes()).is_some()
}

#[tokio::test]
async fn the_at_line_is_the_same_at_all_five_servers() {
    let herd = RunningHerd::five().await;
    for origin in 0..5 {
        let id = format!("from{origin}");
        let reply = exchange_text(herd.clients_at(origin), format!("IAMAT {id} +1-1 1\n")).await;
        assert!(reply.starts_with(&format!("AT {} +", herd.names()[origin])));
        for server in 0..5 {
            eventually("the update is everywhere", || knows(&herd, server, &id)).await;
            let answer = exchange_text(herd.clients_at(server), format!("WHATSAT {id} 1 0\n")).await;
            assert_eq!(answer, format!("{reply}{NOTHING}"));
        }
    }
}

#[tokio::test]
async fn an_accepted_update_is_queued_for_every_live_neighbour_before_the_reply() {
    let herd = RunningHerd::five().await;
    let clark = herd.number("Clark");
    let mut client = herd.client(clark).await;
    for number in 1..=200 {
        client.ask(format!("IAMAT a +1-1 {number}\n")).await;
        let server = herd.server(clark);
        for (id, peer) in ["Bona", "Jaquez"].into_iter().enumerate() {
            // One of them may have it from the other by now, and then it is not sent there.
            let sent = server.metric(&format!("herd_flood_sent_total{{peer=\"{peer}\"}}"));
            let received = server.metric(&format!("herd_flood_received_total{{peer=\"{peer}\",outcome=\"stale\"}}"));
            let queued = server.node.flood().pending(id);
            assert!(sent + received >= f64::from(number - 1) && (queued > 0 || sent + received >= f64::from(number)));
        }
    }
}

#[tokio::test]
async fn updates_with_older_and_equal_stamps_at_many_servers_converge() {
    let herd = RunningHerd::five().await;
    let mut clients = Vec::new();
    for server in 0..5 {
        clients.push(herd.client(server).await);
    }
    let mut random = fastrand::Rng::with_seed(11);
    let mut replies: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for _ in 0..100 {
        let mut round = Vec::new();
        for (server, client) in clients.iter_mut().enumerate() {
            let id = format!("c{}", random.u8(..4));
            client.send(format!("IAMAT {id} +{}-{server} {}\n", random.u8(..9), random.u8(..30))).await;
            round.push(id);
        }
        for (client, id) in clients.iter_mut().zip(round) {
            replies.entry(id).or_default().push(client.line().await);
        }
    }
    herd.wait_for_agreement().await;
    for (id, replies) in replies {
        let line = |reply: &'static str| AtLine::parse(reply.trim_end().as_bytes()).unwrap();
        let greatest = replies.into_iter().map(|reply| line(reply.leak())).max().unwrap();
        for server in herd.up() {
            let flood = server.node.flood();
            assert_eq!(flood.store().get(id.as_bytes()).unwrap().line(), greatest, "{id} at {}", server.node.name);
        }
    }
}

/// Which of the servers alive are reached from one of them; written for this test alone.
fn reached(from: &str, dead: &[&str]) -> BTreeSet<String> {
    let mut reached = BTreeSet::from([from.to_owned()]);
    loop {
        let before = reached.len();
        for (a, b) in FIVE {
            for (from, to) in [(a, b), (b, a)] {
                if reached.contains(from) && !dead.contains(&from) && !dead.contains(&to) {
                    reached.insert(to.to_owned());
                }
            }
        }
        if reached.len() == before {
            return reached;
        }
    }
}

#[tokio::test]
async fn with_any_two_servers_dead_exactly_those_are_reached_that_the_graph_says() {
    let mut herd = RunningHerd::five().await;
    let names = herd.names();
    for a in 0..5 {
        for b in a + 1..5 {
            let dead = [names[a].as_str(), names[b].as_str()];
            herd.stop_server(a).await;
            herd.stop_server(b).await;
            let alive: Vec<usize> = (0..5).filter(|server| ![a, b].contains(server)).collect();
            for &origin in &alive {
                let id = format!("{}-without-{}", names[origin], dead.join("-"));
                exchange_text(herd.clients_at(origin), format!("IAMAT {id} +1-1 1\n")).await;
                let expected = reached(&names[origin], &dead);
                for &server in alive.iter().filter(|&&server| expected.contains(&names[server])) {
                    eventually("those who can be reached know", || knows(&herd, server, &id)).await;
                }
                for &server in alive.iter().filter(|&&server| !expected.contains(&names[server])) {
                    assert!(!knows(&herd, server, &id), "{} heard of {id}", names[server]);
                }
            }
            herd.start_server(a).await;
            herd.start_server(b).await;
            for server in 0..5 {
                herd.wait_for_links(server).await;
            }
            herd.wait_for_agreement().await;
        }
    }
    for server in herd.up() {
        assert_eq!(server.node.flood().store().clients(), 30, "{} knows all that was ever said", server.node.name);
    }
}

#[tokio::test]
async fn a_server_that_returns_knows_what_it_missed_and_the_others_what_it_heard() {
    let mut herd = RunningHerd::five().await;
    let (clark, bailey) = (herd.number("Clark"), herd.number("Bailey"));
    exchange_text(herd.clients_at(clark), "IAMAT before +1-1 1\nIAMAT both +1-1 1\n").await;
    herd.wait_for_agreement().await;
    herd.stop_server(clark).await;
    exchange_text(herd.clients_at(bailey), "IAMAT meanwhile +1-1 1\nIAMAT both +2-2 2\n").await;
    herd.start_server(clark).await;
    exchange_text(herd.clients_at(clark), "IAMAT after +1-1 1\n").await;
    herd.wait_for_links(clark).await;
    herd.wait_for_agreement().await;
    for id in ["before", "meanwhile", "both", "after"] {
        assert!(knows(&herd, clark, id), "{id}");
    }
    let answer = exchange_text(herd.clients_at(clark), "WHATSAT both 1 0\n").await;
    assert!(answer.starts_with("AT Bailey ") && answer.contains(" both +2-2 2\n"), "{answer}");
}

#[tokio::test]
async fn an_update_takes_at_most_eight_messages_and_none_when_all_know_it() {
    let herd = RunningHerd::five().await;
    let sent = |herd: &RunningHerd| -> f64 {
        let peers = |server: &crate::running::RunningServer| {
            let names: Vec<String> = server.node.neighbours.iter().map(|peer| peer.name.to_string()).collect();
            names.iter().map(|peer| server.metric(&format!("herd_flood_sent_total{{peer=\"{peer}\"}}"))).sum::<f64>()
        };
        herd.up().map(peers).sum()
    };
    let updates = 200;
    for number in 0..updates {
        exchange_text(herd.clients_at(number % 5), format!("IAMAT c{number} +1-1 1\n")).await;
    }
    herd.wait_for_agreement().await;
    let after = sent(&herd);
    assert!((4.0..=8.0).contains(&(after / updates as f64)), "{after} messages for {updates} updates");
    // Stale updates change nothing and go nowhere.
    for number in 0..updates {
        exchange_text(herd.clients_at(number % 5), format!("IAMAT c{number} +1-1 0\n")).await;
    }
    assert_eq!(sent(&herd), after);
}

#[tokio::test]
async fn an_at_from_a_client_changes_nothing() {
    let herd = RunningHerd::five().await;
    let clark = herd.number("Clark");
    let forged = "AT Bona +0.000000000 forged +1-1 9";
    assert_eq!(exchange_text(herd.clients_at(clark), format!("{forged}\n")).await, format!("? {forged}\n"));
    assert_eq!(
        exchange_text(herd.clients_at(clark), format!("HELLO herd/1 Bona\n{forged}\n")).await,
        format!("? HELLO herd/1 Bona\n? {forged}\n")
    );
    // A stranger on the peer port, with and without an introduction.
    for opening in ["", "HELLO herd/1 Stranger\n", "HELLO herd/2 Bona\n", "HELLO herd/1 Jaquez\n"] {
        let said = exchange_text(herd.peers_at(clark), format!("{opening}{forged}\n")).await;
        assert!(said.starts_with("REFUSED "), "{opening}: {said}");
        assert_eq!(said.lines().count(), 1);
    }
    for server in herd.up() {
        assert_eq!(server.node.flood().store().clients(), 0);
    }
}

/// Joins as an observer that does not read and takes little.
async fn deaf_observer(herd: &RunningHerd, server: usize) -> Client {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut observer = Client::over(socket.connect(herd.peers_at(server)).await.unwrap());
    observer.send("HELLO herd/1 tap\n").await;
    assert_eq!(observer.line().await, format!("HELLO herd/1 {} sync\n", herd.names()[server]));
    observer
}

#[tokio::test]
async fn a_neighbour_that_does_not_read_holds_up_nobody_and_costs_a_slot_per_client() {
    let setup = Setup { links: vec![("Bona", "Clark")], observers: vec!["tap"], ..Setup::default() };
    let herd = RunningHerd::start(setup).await;
    let (bona, clark) = (herd.number("Bona"), herd.number("Clark"));
    let tap = herd.server(clark).node.neighbours.len() - 1;
    let mut observer = deaf_observer(&herd, clark).await;
    let mut client = herd.client(clark).await;
    let (clients, rounds, mut most) = (1000, 80, 0);
    for round in 1..=rounds {
        // However slow the machine is, the observer is not taken for dead.
        observer.send("PING\n").await;
        let commands: String = (0..clients).map(|id| format!("IAMAT c{id} +1-1 {round}\n")).collect();
        let (mut read, mut write) = client.stream.split();
        let sending = tokio::io::AsyncWriteExt::write_all(&mut write, commands.as_bytes());
        let receiving = async {
            let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(&mut read));
            for _ in 0..clients {
                lines.next_line().await.unwrap().unwrap();
            }
        };
        let (sent, ()) = tokio::join!(sending, receiving);
        sent.unwrap();
        most = most.max(herd.server(clark).node.flood().pending(tap));
    }
    assert_eq!(most, clients, "the observer is stuck with one slot for each client");
    let newest = format!(" c{} +1-1 {rounds}", clients - 1);
    eventually("the neighbour that reads has everything", || {
        let flood = herd.server(bona).node.flood();
        flood
            .store()
            .get(format!("c{}", clients - 1).as_bytes())
            .is_some_and(|update| String::from_utf8_lossy(update.line().bytes()).ends_with(&newest))
    })
    .await;
    // When it reads again it gets the newest of each client.
    let mut last: BTreeMap<String, String> = BTreeMap::new();
    while last.len() < clients || last.values().any(|stamp| *stamp != rounds.to_string()) {
        let line = observer.line().await;
        if let Some((_, operands)) = line.trim_end().split_once(" c") {
            let (id, rest) = operands.split_once(' ').unwrap();
            last.insert(id.to_owned(), rest.rsplit_once(' ').unwrap().1.to_owned());
        }
    }
}

#[tokio::test]
async fn an_observer_hears_everything_and_is_not_heard() {
    let setup = Setup { links: vec![("Bona", "Clark")], observers: vec!["tap"], ..Setup::default() };
    let herd = RunningHerd::start(setup).await;
    let (bona, clark) = (herd.number("Bona"), herd.number("Clark"));
    let known = exchange_text(herd.clients_at(bona), "IAMAT known +1-1 1\n").await;
    herd.wait_for_agreement().await;
    let mut observer = Client::connect(herd.peers_at(clark)).await;
    observer.send("HELLO herd/1 tap\nAT Bona +0.000000000 forged +1-1 9\nPING\n").await;
    assert_eq!(observer.line().await, "HELLO herd/1 Clark sync\n");
    assert_eq!(observer.line().await, known, "what was known comes first");
    assert_eq!(observer.line().await, "DONE\n");
    let live = exchange_text(herd.clients_at(bona), "IAMAT live +1-1 1\n").await;
    let mut heard = observer.line().await;
    while heard == "PING\n" {
        heard = observer.line().await;
    }
    assert_eq!(heard, live);
    assert!(!knows(&herd, clark, "forged"));
    let digests: Vec<_> = herd.up().map(|server| server.node.flood().store().digest()).collect();
    assert_eq!(digests[0], digests[1]);
    drop(observer);
    eventually("the observer is gone", || herd.server(clark).metric("herd_peer_link_up{peer=\"tap\"}") == 0.0).await;
    exchange_text(herd.clients_at(clark), "IAMAT away +1-1 1\n").await;
    assert_eq!(herd.server(clark).node.flood().pending(herd.server(clark).node.neighbours.len() - 1), 0);
}
