//! SPEC 5: with TLS a link's two ends prove their names, and nobody else gets one.

use std::fs;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use herd::link::LinkError;
use herd::protocol::text::Name;
use herd::tls::{Certificate, Identity};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::certificates::{Certificates, expired, valid};
use crate::client::exchange;
use crate::links::{accepted, offline};
use crate::running::{FIVE, RunningHerd, Setup, eventually};

const BONA: usize = 0;
const CLARK: usize = 1;

/// Bona, who dials, and Clark.
fn pair(tls: impl Fn(&str) -> Option<Identity> + 'static) -> Setup {
    Setup { links: vec![("Bona", "Clark")], tls: Box::new(tls), ..Setup::default() }
}

/// Both up, linked or not.
async fn both_up(tls: impl Fn(&str) -> Option<Identity> + 'static) -> RunningHerd {
    let mut herd = RunningHerd::bind(pair(tls)).await;
    herd.start_server(CLARK).await;
    herd.start_server(BONA).await;
    herd
}

/// Clark alone up, with a good certificate.
async fn clark(certificates: &Arc<Certificates>) -> RunningHerd {
    let shared = Arc::clone(certificates);
    let mut herd = RunningHerd::bind(pair(move |name| Some(shared.identity(name)))).await;
    herd.start_server(CLARK).await;
    herd
}

/// Waits until a server's log says something.
async fn says(herd: &RunningHerd, server: &str, words: &str) {
    eventually(&format!("{server} says {words:?}"), || herd.log(server).contains(words)).await;
}

/// Waits until both have said why not, and sees that there was no link.
async fn no_link(herd: &RunningHerd, bona: &str, clark: &str) {
    says(herd, "Bona", bona).await;
    says(herd, "Clark", clark).await;
    for server in herd.up() {
        let link = server.node.neighbours[0].link();
        assert!(link.up_since.is_none() && link.formed == 0, "{} has a link", server.node.name);
    }
}

/// A client that checks Clark's certificate as any client would, and shows none.
async fn anonymous(herd: &RunningHerd, certificates: &Certificates) -> io::Result<TlsStream<TcpStream>> {
    let mut authorities = RootCertStore::empty();
    authorities.add(CertificateDer::from_pem_file(certificates.files("Clark").ca).unwrap()).unwrap();
    herd::tls::install_provider();
    let config = ClientConfig::builder().with_root_certificates(authorities).with_no_client_auth();
    let stream = TcpStream::connect(herd.peers_at(CLARK)).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("Clark").unwrap(), stream).await
}

/// The certificate that Clark shows now.
async fn shown(herd: &RunningHerd, certificates: &Certificates) -> Certificate {
    let stream = anonymous(herd, certificates).await.unwrap();
    Certificate::read(&stream.get_ref().1.peer_certificates().unwrap()[0])
}

#[tokio::test]
async fn updates_flow_both_ways() {
    let certificates = Certificates::of(&["Bona", "Clark"]);
    let herd = RunningHerd::start(pair(move |name| Some(certificates.identity(name)))).await;
    for server in [BONA, CLARK] {
        // More than sockets and TLS hold, so that each side has to wait for the other.
        let updates: String = (0..20_000).map(|n| format!("IAMAT {server}.{n}{:0200} +1-1 1\n", 0)).collect();
        exchange(herd.clients_at(server), updates).await;
    }
    herd.wait_for_agreement().await;
    assert_eq!(herd.server(BONA).node.flood().store().clients(), 40_000);
}

#[tokio::test]
async fn the_herd_of_the_assignment_runs_over_tls_and_links_form_again() {
    let certificates = Certificates::of(&["Bailey", "Bona", "Campbell", "Clark", "Jaquez"]);
    let setup = Setup {
        links: FIVE.to_vec(),
        tls: Box::new(move |name| Some(certificates.identity(name))),
        ..Setup::default()
    };
    let mut herd = RunningHerd::start(setup).await;
    for server in 0..5 {
        exchange(herd.clients_at(server), format!("IAMAT at{server} +1-1 1\n")).await;
        herd.wait_for_agreement().await;
        herd.stop_server(server).await;
        herd.start_server(server).await;
        herd.wait_for_links(server).await;
        herd.wait_for_agreement().await;
    }
    assert_eq!(herd.server(0).node.flood().store().clients(), 5);
    says(&herd, "Bona", "link down: closed by the other side").await;
}

#[tokio::test]
async fn who_shows_no_certificate_gets_no_link_and_its_updates_change_nothing() {
    let certificates = Arc::new(Certificates::of(&["Bona", "Clark"]));
    let herd = clark(&certificates).await;
    // By TLS 1.3 the client is through before the server has looked at its certificate.
    let mut stranger = anonymous(&herd, &certificates).await.unwrap();
    let forged = b"HELLO herd/1 Bona\nAT Bona +1.000000000 forged +1-1 1\nDONE\n";
    let _ = stranger.write_all(forged).await;
    let mut said = Vec::new();
    let refused = stranger.read_to_end(&mut said).await.unwrap_err();
    assert_eq!((refused.to_string().as_str(), said.len()), ("received fatal alert: CertificateRequired", 0));
    says(&herd, "Clark", "* no link: it shows no certificate").await;
    let node = &herd.server(CLARK).node;
    assert_eq!((node.flood().store().clients(), node.neighbours[0].link().formed), (0, 0));
}

#[tokio::test]
async fn plain_text_on_a_tls_port_is_no_link_and_changes_nothing() {
    let certificates = Arc::new(Certificates::of(&["Bona", "Clark"]));
    let mut herd = clark(&certificates).await;
    let forged = "HELLO herd/1 Bona\nAT Bona +1.000000000 forged +1-1 1\nDONE\n";
    for opening in [forged.as_bytes(), b"GET / HTTP/1.1\r\n\r\n", b"\n", b"\x16\x03\x01\xff\xff", &[0xff; 70_000]] {
        let mut stream = TcpStream::connect(herd.peers_at(CLARK)).await.unwrap();
        let _ = stream.write_all(opening).await;
        let _ = stream.shutdown().await;
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said).await;
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(!said.contains("HELLO") && !said.contains("REFUSED"), "{said}");
    }
    says(&herd, "Clark", "* no link: it does not speak TLS; its server has to be started with").await;
    assert_eq!(herd.server(CLARK).node.neighbours[0].link().formed, 0);
    herd.start_server(BONA).await;
    herd.wait_for_links(CLARK).await;
    assert_eq!(herd.server(CLARK).node.flood().store().clients(), 0);
}

#[tokio::test]
async fn tls_on_a_plain_port_is_no_link() {
    let certificates = Arc::new(Certificates::of(&["Bona", "Clark"]));
    let mut herd = RunningHerd::bind(pair(|_| None)).await;
    herd.start_server(CLARK).await;
    assert!(anonymous(&herd, &certificates).await.is_err());
    says(&herd, "Clark", "> REFUSED this server was started without --tls-cert, --tls-key and --tls-ca").await;
    herd.start_server(BONA).await;
    herd.wait_for_links(CLARK).await;
}

#[tokio::test]
async fn a_dialler_with_tls_and_an_acceptor_without_do_not_link() {
    let certificates = Certificates::of(&["Bona"]);
    let herd = both_up(move |name| (name == "Bona").then(|| certificates.identity(name))).await;
    no_link(&herd, ": it does not speak TLS; its server", "> REFUSED this server was started without --tls-cert").await;
}

#[tokio::test]
async fn a_dialler_without_tls_and_an_acceptor_with_it_do_not_link() {
    let certificates = Certificates::of(&["Clark"]);
    let herd = both_up(move |name| (name == "Clark").then(|| certificates.identity(name))).await;
    no_link(&herd, ": this server was started without --tls-cert", "* no link: it does not speak TLS").await;
}

#[tokio::test]
async fn certificates_of_another_ca_are_refused_by_who_dials() {
    let (ours, others) = (Certificates::of(&["Bona"]), Certificates::of(&["Clark"]));
    others.believe("Clark", &[&ours, &others]);
    let herd = both_up(move |name| Some(if name == "Bona" { &ours } else { &others }.identity(name))).await;
    no_link(
        &herd,
        ": its certificate is of no CA in our --tls-ca; trying again",
        "* no link: it refuses our certificate: it is of no CA that is believed there",
    )
    .await;
}

#[tokio::test]
async fn certificates_of_another_ca_are_refused_by_who_accepts() {
    let (ours, others) = (Certificates::of(&["Clark"]), Certificates::of(&["Bona"]));
    others.believe("Bona", &[&ours, &others]);
    let herd = both_up(move |name| Some(if name == "Clark" { &ours } else { &others }.identity(name))).await;
    no_link(
        &herd,
        ": it refuses our certificate: it is of no CA that is believed there; trying again",
        "* no link: its certificate is of no CA in our --tls-ca",
    )
    .await;
}

#[tokio::test]
async fn an_expired_certificate_is_refused_by_who_dials() {
    let certificates = Certificates::of(&["Bona"]);
    certificates.issue("Clark", &["Clark"], &expired());
    let herd = both_up(move |name| Some(certificates.identity(name))).await;
    no_link(
        &herd,
        ": its certificate has expired, on 2",
        "* no link: it refuses our certificate: it has expired or is not valid yet, by the clock there",
    )
    .await;
}

#[tokio::test]
async fn an_expired_certificate_is_refused_by_who_accepts() {
    let certificates = Certificates::of(&["Clark"]);
    certificates.issue("Bona", &["Bona"], &expired());
    let herd = both_up(move |name| Some(certificates.identity(name))).await;
    no_link(
        &herd,
        ": it refuses our certificate: it has expired or is not valid yet, by the clock there; trying again",
        "* no link: its certificate has expired, on 2",
    )
    .await;
}

#[tokio::test]
async fn another_servers_certificate_is_refused_by_who_dials() {
    let certificates = Certificates::of(&["Bona", "Mallory"]);
    let herd = both_up(move |name| Some(certificates.identity(if name == "Clark" { "Mallory" } else { name }))).await;
    says(&herd, "Bona", ": the certificate shown is made out to Mallory, not to Clark; trying again").await;
    assert!(!herd.log("Clark").contains(" < HELLO"), "somebody else is told nothing");
    assert_eq!(herd.server(BONA).node.neighbours[0].link().formed, 0);
}

#[tokio::test]
async fn another_servers_certificate_is_refused_by_who_accepts() {
    let certificates = Certificates::of(&["Mallory", "Clark"]);
    let herd = both_up(move |name| Some(certificates.identity(if name == "Bona" { "Mallory" } else { name }))).await;
    let refusal = "REFUSED the certificate shown is made out to Mallory, not to Bona";
    no_link(&herd, &format!(": refused: {refusal}; trying again"), &format!(" > {refusal}")).await;
}

#[tokio::test]
async fn who_is_refused_for_a_certificate_waits_longer_each_time() {
    let certificates = Certificates::of(&["Bona", "Mallory"]);
    let mallory = certificates.identity("Mallory");
    let mut herd = RunningHerd::bind(pair(move |name| Some(certificates.identity(name)))).await;
    let listener = herd.take_listeners(CLARK).peers;
    herd.start_server(BONA).await;
    let mut dialled = Vec::new();
    for _ in 0..3 {
        let (stream, _) = listener.accept().await.unwrap();
        dialled.push(Instant::now());
        let _ = mallory.accept(stream).await;
    }
    // Twice 200 ms and four times, less a quarter for jitter. A busy machine only makes it more.
    let pauses: Vec<Duration> = dialled.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses[0] >= Duration::from_millis(300) && pauses[1] >= Duration::from_millis(600), "{pauses:?}");
}

#[tokio::test]
async fn two_cas_are_believed_during_a_rotation() {
    let (old, new) = (Certificates::of(&["Bona", "Clark"]), Certificates::of(&["Bona", "Clark"]));
    old.believe("Clark", &[&old, &new]);
    new.believe("Bona", &[&old, &new]);
    let herd =
        RunningHerd::start(pair(move |name| Some(if name == "Bona" { &new } else { &old }.identity(name)))).await;
    exchange(herd.clients_at(BONA), "IAMAT rotated +1-1 1\n").await;
    herd.wait_for_agreement().await;
}

#[tokio::test]
async fn new_files_are_taken_up_without_a_restart_and_links_that_are_up_stay() {
    let certificates = Arc::new(Certificates::of(&["Bona", "Clark"]));
    let mut herd = clark(&certificates).await;
    herd.start_server(BONA).await;
    herd.wait_for_links(CLARK).await;
    certificates.issue("Clark", &["Clark", "renewed"], &valid());
    assert_eq!(shown(&herd, &certificates).await.holders(), "Clark and renewed");
    says(&herd, "Clark", "* the files of TLS have changed; new links use them").await;
    exchange(herd.clients_at(BONA), "IAMAT after +1-1 1\n").await;
    herd.wait_for_agreement().await;
    assert_eq!(herd.server(CLARK).node.neighbours[0].link().formed, 1);
    herd.stop_server(BONA).await;
    herd.start_server(BONA).await;
    herd.wait_for_links(CLARK).await;
}

#[tokio::test]
async fn a_ca_that_is_taken_away_is_no_longer_believed() {
    let certificates = Arc::new(Certificates::of(&["Bona", "Clark"]));
    let other = Certificates::of(&[]);
    let mut herd = clark(&certificates).await;
    herd.start_server(BONA).await;
    herd.wait_for_links(CLARK).await;
    certificates.believe("Clark", &[&other]);
    herd.stop_server(BONA).await;
    herd.start_server(BONA).await;
    says(&herd, "Clark", "* no link: its certificate is of no CA in our --tls-ca").await;
    assert_eq!(herd.server(CLARK).node.neighbours[0].link().formed, 1);
}

#[tokio::test]
async fn bad_files_are_said_once_and_the_ones_before_stay_in_use() {
    let certificates = Arc::new(Certificates::of(&["Bona", "Clark"]));
    let herd = clark(&certificates).await;
    let cert = certificates.files("Clark").cert;
    let good = fs::read_to_string(&cert).unwrap();
    fs::write(&cert, &good[..good.len() / 2]).unwrap();
    for _ in 0..3 {
        assert_eq!(shown(&herd, &certificates).await.holders(), "Clark");
    }
    let said = format!(
        "* --tls-cert {} holds no certificate in PEM, or only a part of one; new links use what the files of TLS held before",
        cert.display()
    );
    says(&herd, "Clark", &said).await;
    certificates.issue("Clark", &["Clark", "whole"], &valid());
    assert_eq!(shown(&herd, &certificates).await.holders(), "Clark and whole");
    says(&herd, "Clark", "* the files of TLS have changed").await;
    assert_eq!(herd.log("Clark").matches(&said).count(), 1);
}

#[tokio::test]
async fn an_observer_needs_its_own_certificate() {
    let certificates = Arc::new(Certificates::of(&["Clark", "tap", "_-.tap"]));
    let shared = Arc::clone(&certificates);
    let setup = Setup {
        observers: vec!["tap", "_-.tap"],
        tls: Box::new(move |name| Some(shared.identity(name))),
        ..Setup::default()
    };
    let herd = RunningHerd::start(setup).await;
    for (shown, said, expected) in [
        ("tap", "tap", "HELLO herd/1 Clark sync\nDONE\n"),
        ("_-.tap", "_-.tap", "HELLO herd/1 Clark sync\nDONE\n"),
        ("tap", "_-.tap", "REFUSED the certificate shown is made out to tap, not to _-.tap\n"),
        ("Clark", "tap", "REFUSED the certificate shown is made out to Clark, not to tap\n"),
    ] {
        let stream = TcpStream::connect(herd.peers_at(0)).await.unwrap();
        let mut tap = certificates.identity(shown).dial(stream).await.map_err(|(error, _)| error).unwrap().stream;
        tap.write_all(format!("HELLO herd/1 {said}\n").as_bytes()).await.unwrap();
        let mut answer = vec![0; expected.len()];
        tap.read_exact(&mut answer).await.unwrap();
        assert_eq!(String::from_utf8(answer).unwrap(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_written_is_sent_while_its_writer_waits_for_something_to_read() {
    let certificates = Certificates::of(&["Bona", "Clark"]);
    let (bona, clark) = (certificates.identity("Bona"), certificates.identity("Clark"));
    // A socket that takes less at a time than TLS keeps.
    let (one, other) = duplex(64);
    let (bona, clark) = tokio::join!(bona.dial(one), clark.accept(other));
    let (mut bona, mut clark) = (bona.unwrap().stream, clark.unwrap().stream);
    bona.write_all(&[b'x'; 10_000]).await.unwrap();
    let mut arrived = vec![0; 10_000];
    tokio::select! {
        _ = bona.read_u8() => panic!("Clark says nothing"),
        read = clark.read_exact(&mut arrived) => assert_eq!(read.unwrap(), 10_000),
        () = tokio::time::sleep(Duration::from_secs(60)) => panic!("it is stuck"),
    }
}

#[tokio::test(start_paused = true)]
async fn tls_and_hello_together_have_a_second() {
    let certificates = Certificates::of(&["Bona", "Clark"]);
    for pause in [Duration::from_millis(600), Duration::from_secs(10)] {
        let node = Arc::new(offline("Clark").with_tls(Some(certificates.identity("Clark"))));
        let (stranger, accepting) = accepted(&node);
        let started = Instant::now();
        let silent = tokio::spawn(async move { (tokio::time::sleep(pause).await, stranger) });
        let bona = certificates.identity("Bona");
        let late = async {
            let ((), stranger) = silent.await.unwrap();
            bona.dial(stranger).await.ok()
        };
        let (reason, _kept) = tokio::join!(accepting, late);
        assert!(matches!(reason.unwrap(), Err(LinkError::NoHello)));
        assert!(started.elapsed() <= Duration::from_secs(1).max(pause), "{:?}", started.elapsed());
    }
}

#[test]
fn what_is_wrong_with_the_files_is_said() {
    let certificates = Certificates::of(&["Bona", "Clark"]);
    let files = certificates.files("Clark");
    let problem = |files: &herd::tls::TlsFiles| {
        let error = Identity::load(files.clone(), &Name::new("Clark").unwrap()).unwrap_err().to_string();
        error.replace(files.cert.parent().unwrap().to_str().unwrap(), "DIR")
    };
    let with = |change: &dyn Fn(&mut herd::tls::TlsFiles)| {
        let mut files = files.clone();
        change(&mut files);
        problem(&files)
    };
    let bona = certificates.files("Bona");
    assert_eq!(
        with(&|files| files.ca = files.ca.with_file_name("absent")),
        "cannot read --tls-ca DIR/absent: No such file or directory (os error 2)"
    );
    assert_eq!(
        with(&|files| files.cert.clone_from(&files.key)),
        "--tls-cert DIR/Clark.key.pem holds no certificate in PEM, or only a part of one"
    );
    assert_eq!(
        with(&|files| files.key.clone_from(&files.cert)),
        "the key DIR/Clark.cert.pem is open to every user of this machine (mode 0644): take that away with chmod o= and, if it was open for long, make a new one"
    );
    assert_eq!(
        with(&|files| files.key.clone_from(&bona.key)),
        "the key DIR/Bona.key.pem does not fit the certificate DIR/Clark.cert.pem: keys may not be consistent: KeyMismatch"
    );
    assert_eq!(
        with(&|files| files.clone_from(&bona)),
        "the certificate DIR/Bona.cert.pem is made out to Bona, not to Clark: neighbours would refuse it"
    );
    fs::write(&files.key, "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n").unwrap();
    assert_eq!(problem(&files), "--tls-key DIR/Clark.key.pem holds no private key in PEM, or only a part of one");
}
