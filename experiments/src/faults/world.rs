//! The herd, its network and its Places, and how faults are done to them.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use herd::config::Herd;
use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::fault::Fault;
use super::{FaultFactors, WARM_UP};
use crate::experiment::{Folder, Surroundings};
use crate::herd_text::herd_text;
use crate::load::{Load, Loading};
use crate::namespaces::{Network, Way, run};
use crate::processes::{HerdOptions, Peculiar, Processes};
use crate::scrape;

/// Members of the network besides the servers.
pub(super) const LOAD: &str = "load";
pub(super) const PLACES: &str = "places";
/// Where Places listens.
const PLACES_PORT: u16 = 9000;
/// The size of the disk that gets full.
const DISK: &str = "size=24m";
/// How long connecting may take, or a refusal.
const PATIENCE: Duration = Duration::from_millis(500);

/// All that runs, and what faults have changed. What it made is gone when it is dropped.
#[derive(Debug)]
pub(super) struct World<'n> {
    pub(super) herd: Processes,
    network: &'n Network,
    places: Option<Child>,
    places_program: PathBuf,
    folder: PathBuf,
    disk: Disk,
    /// Connections that keep others out.
    crowd: Vec<TcpStream>,
    /// How many of them were refused.
    refused: usize,
    /// Lines that the log had lost before.
    dropped_before: f64,
}

impl<'n> World<'n> {
    pub(super) async fn start(
        surroundings: &Surroundings,
        factors: &FaultFactors,
        network: &'n Network,
        folder: &Folder,
    ) -> anyhow::Result<Self> {
        let (server, path) = (surroundings.programs.path("server")?, folder.path());
        let herd_file = path.join("herd.toml");
        folder.write("herd.toml", &herd_file_text(network)?)?;
        make_certificates(server, &herd_file, &path.join("certs"))?;
        let places_program = surroundings.programs.path("mock_places")?.to_owned();
        let places = start_places(&places_program, network).await?;
        let disk = Disk::mount(&path.join("small-disk"))?;
        let mut options = HerdOptions::new(server, &herd_file, path).with_small_logs();
        options.places = format!("http://{}:{PLACES_PORT}", network.address(PLACES)?);
        options.arguments.extend(["--places-in-flight", "64"].map(String::from));
        options.environment.push(("GOOGLE_PLACES_API_KEY".into(), "experiments".into()));
        for entry in Herd::built_in().servers() {
            let name = entry.name.as_str();
            options.peculiar.insert(name.into(), peculiar(name, factors, network, path, &disk));
        }
        let herd = Processes::start(&options).await?;
        Ok(Self {
            herd,
            network,
            places: Some(places),
            places_program,
            folder: path.to_owned(),
            disk,
            crowd: Vec::new(),
            refused: 0,
            dropped_before: 0.0,
        })
    }

    /// Starts the load generator in its own namespace.
    pub(super) fn load(
        &self,
        surroundings: &Surroundings,
        factors: &FaultFactors,
        seed: u64,
    ) -> anyhow::Result<Loading> {
        let time = |duration| humantime::format_duration(duration).to_string();
        let options = [
            ("--clients", factors.clients.to_string()),
            ("--interval", factors.interval.to_string()),
            ("--whatsat", factors.whatsat.clone()),
            ("--warm-up", time(WARM_UP)),
            ("--duration", time(factors.duration())),
            // So that what a fault has cost is counted before the next one.
            ("--timeout", "3s".into()),
            ("--seed", seed.to_string()),
        ];
        Load {
            program: surroundings.programs.path("loadgen")?,
            herd_file: &self.folder.join("herd.toml"),
            folder: &self.folder,
            name: "loadgen",
            through: &self.network.through(LOAD),
            arguments: options.into_iter().flat_map(|(option, value)| [option.to_owned(), value]).collect(),
            shown: false,
        }
        .start()
    }

    pub(super) async fn begin(&mut self, fault: Fault, factors: &FaultFactors) -> anyhow::Result<()> {
        match fault {
            Fault::Link => self.cut(&factors.link),
            Fault::Halves => factors.halves.iter().try_for_each(|link| self.cut(link)),
            Fault::OneWay => {
                let [deaf, unheard] = &factors.one_way;
                let from = format!("ip saddr {}", self.network.address(unheard)?);
                self.network.drop_packets(deaf, Way::Input, &from)
            }
            Fault::Loss => {
                let some = format!("numgen random mod {} < 1", factors.one_of);
                self.network.drop_packets(&factors.lossy, Way::Input, &some)
            }
            Fault::Kill => self.herd.kill(&factors.killed).await,
            Fault::Stop => self.herd.signal(&factors.stopped, Signal::STOP),
            Fault::FullDisk => {
                self.dropped_before = self.dropped_lines(factors).await?;
                self.disk.fill()
            }
            Fault::Descriptors => self.crowd(factors).await,
            Fault::Places => {
                let mut places = self.places.take().context("Places does not run")?;
                places.kill().await.context("cannot kill Places")
            }
        }
    }

    /// Ends a fault, and says what there is to say of it besides what all faults have.
    pub(super) async fn end(&mut self, fault: Fault, factors: &FaultFactors) -> anyhow::Result<String> {
        match fault {
            Fault::Link => self.network.pass_packets(&factors.link[0])?,
            Fault::Halves => factors.halves.iter().try_for_each(|[one, _]| self.network.pass_packets(one))?,
            Fault::OneWay => self.network.pass_packets(&factors.one_way[0])?,
            Fault::Loss => self.network.pass_packets(&factors.lossy)?,
            Fault::Kill => {
                self.herd.restart(&factors.killed).await?;
            }
            Fault::Stop => self.herd.signal(&factors.stopped, Signal::CONT)?,
            Fault::FullDisk => {
                self.disk.empty()?;
                let dropped = self.dropped_lines(factors).await? - self.dropped_before;
                return Ok(format!("{dropped} lines of log dropped"));
            }
            Fault::Descriptors => {
                let open = self.crowd.len();
                self.crowd.clear();
                return Ok(format!("{open} connections let in, {} refused", self.refused));
            }
            Fault::Places => self.places = Some(start_places(&self.places_program, self.network).await?),
        }
        Ok(String::new())
    }

    /// Lets two members not hear each other.
    fn cut(&self, [one, other]: &[String; 2]) -> anyhow::Result<()> {
        let address = self.network.address(other)?;
        self.network.drop_packets(one, Way::Input, &format!("ip saddr {address}"))?;
        self.network.drop_packets(one, Way::Output, &format!("ip daddr {address}"))
    }

    async fn dropped_lines(&self, factors: &FaultFactors) -> anyhow::Result<f64> {
        let metrics = scrape::get(&self.herd.http()[self.herd.herd.find(&factors.full)?], "/metrics").await?;
        Ok(scrape::sum(&metrics, "herd_log_dropped_lines_total", &[]))
    }

    /// Opens connections to a server, more than it has descriptors for.
    async fn crowd(&mut self, factors: &FaultFactors) -> anyhow::Result<()> {
        let entry = &self.herd.herd.servers()[self.herd.herd.find(&factors.crowded)?];
        let address = entry.clients.to_string();
        let mut opened = Vec::new();
        for _ in 0..factors.connections {
            opened.push(timeout(PATIENCE, TcpStream::connect(&address)).await.context("no connection in time")??);
        }
        self.refused = 0;
        // Who is let in is told nothing, who is not is closed at once.
        tokio::time::sleep(PATIENCE).await;
        for mut stream in opened {
            match timeout(Duration::from_millis(1), stream.read(&mut [0])).await {
                Err(_) => self.crowd.push(stream),
                Ok(_) => self.refused += 1,
            }
        }
        ensure!(self.refused > 0, "all {} connections were let in: open more", factors.connections);
        Ok(())
    }

    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(places) = &mut self.places {
            places.kill().await?;
        }
        self.herd.stop().await
    }
}

/// The built-in herd, each server at its own address.
fn herd_file_text(network: &Network) -> anyhow::Result<String> {
    let herd = Herd::built_in();
    let mut servers = herd.servers().to_vec();
    for server in &mut servers {
        let host = network.address(server.name.as_str())?;
        for address in [&mut server.clients, &mut server.peers, &mut server.metrics] {
            *address = format!("{host}:{}", address.port()).parse()?;
        }
    }
    Ok(herd_text(&servers, herd.links()))
}

/// Links off loopback need TLS, and each server a certificate that bears its name.
fn make_certificates(server: &Path, herd_file: &Path, folder: &Path) -> anyhow::Result<()> {
    let words = [&server.display().to_string(), "certs", "--out", &folder.display().to_string()];
    run(&[&words[..], &["--herd", &herd_file.display().to_string()]].concat()).context("cannot make certificates")
}

/// Its namespace, its certificate, and for some servers what a fault needs.
fn peculiar(name: &str, factors: &FaultFactors, network: &Network, folder: &Path, disk: &Disk) -> Peculiar {
    let mut through = network.through(name);
    if name == factors.crowded {
        let limit = factors.descriptors;
        through.extend(["prlimit".into(), format!("--nofile={limit}:{limit}")]);
    }
    let certificate = |end: &str| folder.join("certs").join(end).display().to_string();
    let arguments = [
        ("--tls-cert", certificate(&format!("{name}.cert.pem"))),
        ("--tls-key", certificate(&format!("{name}.key.pem"))),
        ("--tls-ca", certificate("ca.pem")),
    ]
    .into_iter()
    .flat_map(|(option, value)| [option.to_owned(), value])
    .collect();
    let log_folder = (name == factors.full).then(|| disk.0.display().to_string());
    Peculiar { herd_file: None, through, log_folder, arguments }
}

async fn start_places(program: &Path, network: &Network) -> anyhow::Result<Child> {
    let words = network.through(PLACES);
    let address = format!("{}:{PLACES_PORT}", network.address(PLACES)?);
    let mut child = Command::new(&words[0])
        .args(&words[1..])
        .arg(program)
        .args(["--listen", &address])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start Places")?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("Places has no output")?).read_line(&mut line).await?;
    ensure!(line.starts_with("ready "), "Places did not start");
    Ok(child)
}

/// A small file system. It is unmounted when this is dropped.
#[derive(Debug)]
struct Disk(PathBuf);

impl Disk {
    fn mount(folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        run(&["mount", "-t", "tmpfs", "-o", DISK, "experiments", &folder.display().to_string()])?;
        Ok(Self(folder.to_owned()))
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Writes until nothing more fits.
    fn fill(&self) -> anyhow::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(self.filler())?;
        for piece in [1 << 20, 4096, 1] {
            loop {
                match file.write_all(&vec![0; piece]) {
                    Ok(()) => {}
                    Err(error) if error.kind() == std::io::ErrorKind::StorageFull => break,
                    Err(error) => bail!("cannot fill the disk: {error}"),
                }
            }
        }
        Ok(())
    }

    fn empty(&self) -> anyhow::Result<()> {
        fs::remove_file(self.filler()).context("cannot empty the disk")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: the server may still hold its log. There is nobody to tell if it fails.
        let _ = run(&["umount", "--lazy", &self.0.display().to_string()]);
    }
}
