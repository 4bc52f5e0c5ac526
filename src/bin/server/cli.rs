//! The command line. Its texts are what `--help` prints.

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use herd::config::Address;
use herd::quota::Rate;
use humantime::Duration;

/// A server of an application server herd: it learns where mobile clients are (IAMAT), floods
/// that to its neighbours, and answers what is near a client (WHATSAT).
#[derive(Debug, Parser)]
#[command(name = "server", version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(
    after_help = "Try: server Clark --places-url mock    then: nc -N 127.0.0.1 10003 <<< 'IAMAT me +34.07-118.44 1621464827.9'"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: Run,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check a herd file and draw its links.
    Check {
        /// The herd file [default: the built-in herd].
        #[arg(long, env = "HERD_FILE", value_name = "FILE")]
        herd: Option<PathBuf>,
    },
    /// Make a CA, and for each server and observer a certificate and a key, to try TLS with.
    Certs(Certs),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page.
    Man,
}

/// What to make certificates for, and where.
#[derive(Debug, Args)]
pub(crate) struct Certs {
    /// The folder for the files; what is there already is never overwritten.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// The herd file [default: the built-in herd].
    #[arg(long, env = "HERD_FILE", value_name = "FILE")]
    pub(crate) herd: Option<PathBuf>,
    /// How many days they are valid, the CA too.
    #[arg(long, default_value_t = 90, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub(crate) days: u32,
}

/// Which server to run, and how.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The server of the herd file that this is.
    #[arg(required_unless_present = "all")]
    pub(crate) name: Option<String>,
    /// Run every server of the herd file, each as a child process, and stop them together.
    #[arg(long, conflicts_with_all = ["name", "clients", "peers", "metrics"])]
    pub(crate) all: bool,
    /// The herd file [default: the five servers of the assignment on 127.0.0.1].
    #[arg(long, env = "HERD_FILE", value_name = "FILE")]
    pub(crate) herd: Option<PathBuf>,

    /// Close each connection once what was read is answered, for clients that read until the
    /// end but do not half-close.
    #[arg(long)]
    pub(crate) close_after_reply: bool,
    /// Threads that serve. One is best where several servers share a machine.
    #[arg(long, env = "HERD_THREADS", default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) threads: u16,

    /// Where clients connect, instead of where the herd file says; port 0 takes a free one.
    #[arg(long, env = "HERD_CLIENTS", value_name = "ADDR", help_heading = "Addresses")]
    pub(crate) clients: Option<Address>,
    /// Where neighbours connect, likewise; without TLS on loopback only.
    #[arg(long, env = "HERD_PEERS", value_name = "ADDR", help_heading = "Addresses")]
    pub(crate) peers: Option<Address>,
    /// Where HTTP is served (/metrics, /healthz, /readyz, /status), likewise.
    #[arg(long, env = "HERD_METRICS", value_name = "ADDR", help_heading = "Addresses")]
    pub(crate) metrics: Option<Address>,

    #[command(flatten)]
    pub(crate) tls: TlsOptions,
    #[command(flatten)]
    pub(crate) places: PlacesOptions,
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(flatten)]
    pub(crate) bounds: Bounds,

    /// Stop when standard input ends: how `--all` makes sure that no server outlives it.
    #[arg(long, hide = true)]
    pub(crate) stop_at_end_of_input: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "TLS on links (all three or none; read again when they change)")]
pub(crate) struct TlsOptions {
    /// A file with this server's certificate, made out to its name (DNS), in PEM.
    #[arg(long, env = "HERD_TLS_CERT", value_name = "FILE", requires_all = ["tls_key", "tls_ca"])]
    pub(crate) tls_cert: Option<PathBuf>,
    /// A file with its key, which nobody but owner and group may open.
    #[arg(long, env = "HERD_TLS_KEY", value_name = "FILE", requires_all = ["tls_cert", "tls_ca"])]
    pub(crate) tls_key: Option<PathBuf>,
    /// A file with the CAs of the neighbours' certificates; during a rotation the old and the new.
    #[arg(long, env = "HERD_TLS_CA", value_name = "FILE", requires_all = ["tls_cert", "tls_key"])]
    pub(crate) tls_ca: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Places")]
pub(crate) struct PlacesOptions {
    /// The Places service: `mock` for a built-in stub that needs no key, or a URL. Any other
    /// than `mock` needs a key, in GOOGLE_PLACES_API_KEY or a file.
    #[arg(long, env = "HERD_PLACES_URL", default_value = "https://maps.googleapis.com", value_name = "mock|URL")]
    pub(crate) places_url: String,
    /// A file that holds the key.
    #[arg(long, env = "HERD_PLACES_KEY_FILE", value_name = "FILE")]
    pub(crate) places_key_file: Option<PathBuf>,
    /// How long a WHATSAT may wait for Places, retries included.
    #[arg(long, env = "HERD_PLACES_DEADLINE", default_value = "5s", value_name = "TIME")]
    pub(crate) places_deadline: Duration,
    /// Requests to Places in flight, at most.
    #[arg(long, env = "HERD_PLACES_IN_FLIGHT", default_value_t = 256, value_name = "N", value_parser = positive)]
    pub(crate) places_in_flight: usize,
    /// How often one connection may have Places asked, such as 5/s or 100/min; as many as a
    /// second brings may come at once. Beyond it a WHATSAT is answered OVER_QUERY_LIMIT. One
    /// with bound 0 asks nobody and does not count [default: no quota].
    #[arg(long, env = "HERD_WHATSAT_QUOTA", value_name = "RATE")]
    pub(crate) whatsat_quota: Option<Rate>,
    /// How often all connections together may have Places asked, likewise [default: no quota].
    #[arg(long, env = "HERD_WHATSAT_QUOTA_TOTAL", value_name = "RATE")]
    pub(crate) whatsat_quota_total: Option<Rate>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Log of traffic (it says who was where)")]
pub(crate) struct LogArgs {
    /// The folder for NAME.log.
    #[arg(long, env = "HERD_LOG_DIR", default_value = "logs", value_name = "DIR")]
    pub(crate) log_dir: PathBuf,
    /// Log nothing.
    #[arg(long, env = "HERD_NO_LOG")]
    pub(crate) no_log: bool,
    /// Log bodies from Places whole, not only their size; mind their terms of service.
    #[arg(long, env = "HERD_LOG_BODIES")]
    pub(crate) log_bodies: bool,
    /// Begin a new file after so many bytes.
    #[arg(long, env = "HERD_LOG_ROTATE", default_value = "64MiB", value_name = "SIZE")]
    pub(crate) log_rotate: ByteSize,
    /// Keep so many bytes of log, in all files of a server together.
    #[arg(long, env = "HERD_LOG_KEEP", default_value = "1GiB", value_name = "SIZE")]
    pub(crate) log_keep: ByteSize,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Bounds")]
pub(crate) struct Bounds {
    /// The longest line of a client; at least 64 bytes.
    #[arg(long, default_value = "64KiB", value_name = "SIZE", value_parser = line_limit)]
    pub(crate) max_line: ByteSize,
    /// Client connections [default: what the descriptor limit allows, less a reserve].
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) max_connections: Option<usize>,
    /// Client connections from one IPv4 address, or from one /64 prefix of IPv6 [default: no
    /// limit]. Clients behind one NAT or relay share an address.
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) max_per_address: Option<usize>,
    /// How long a line may stay unfinished before its connection is closed.
    #[arg(long, default_value = "60s", value_name = "TIME")]
    pub(crate) unfinished_line: Duration,
    /// Replies that may wait for a client before no more is read from it.
    #[arg(long, default_value = "256KiB", value_name = "SIZE")]
    pub(crate) max_unread: ByteSize,
    /// How long a client may leave replies unread before it is closed.
    #[arg(long, default_value = "60s", value_name = "TIME")]
    pub(crate) unread_timeout: Duration,
    /// Commands of one connection in work at a time.
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = positive)]
    pub(crate) max_pipelined: usize,
    /// Clients that are stored; past that the one heard from longest ago goes.
    #[arg(long, default_value_t = 4_000_000, value_name = "N", value_parser = positive)]
    pub(crate) max_clients: usize,
    /// Bytes of AT lines that are stored, likewise.
    #[arg(long, default_value = "1GiB", value_name = "SIZE")]
    pub(crate) max_stored: ByteSize,
    /// HTTP connections.
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = positive)]
    pub(crate) max_http: usize,
    /// How long an HTTP request's head may take.
    #[arg(long, default_value = "5s", value_name = "TIME")]
    pub(crate) http_head: Duration,
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".into()),
        Ok(number) => Ok(number),
        Err(_) => Err("must be a whole number".into()),
    }
}

fn line_limit(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse()?;
    let range = ByteSize::b(64)..=ByteSize::mib(16);
    if range.contains(&size) { Ok(size) } else { Err("must be between 64 B and 16 MiB".into()) }
}
