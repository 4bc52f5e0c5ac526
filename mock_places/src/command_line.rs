//! The command line of the program.

use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Parser;
use mock_places::{Delay, Faults, Options};

/// A stand-in for the Places Nearby Search API.
///
/// It answers GET /maps/api/place/nearbysearch/json?location=LAT,LNG&radius=METRES&key=KEY. The
/// same seed and location give the same places. When it is up it prints one line, `ready
/// mock_places http=URL`, and serves until it gets SIGTERM or SIGINT.
#[derive(Debug, Parser)]
#[command(name = "mock_places", version)]
pub(crate) struct CommandLine {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, env = "MOCK_PLACES_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:9000")]
    listen: SocketAddr,

    /// Determines places, delays and faults
    #[arg(long, env = "MOCK_PLACES_SEED", value_name = "N", default_value_t = 0)]
    seed: u64,

    /// How late answers are: none, 50ms, 20ms..80ms (uniform) or exp:50ms (exponential, that mean)
    #[arg(long, env = "MOCK_PLACES_DELAY", value_name = "DELAY", default_value_t)]
    delay: Delay,

    /// Which share of requests fails how, such as 500:2%,429:1%,cut:0.5%,garbage:0.5%,slow=5s:1%
    #[arg(long, env = "MOCK_PLACES_FAIL", value_name = "MIX", default_value_t)]
    fail: Faults,

    /// Find nothing at sea (coarsely: boxes of whole degrees are land)
    #[arg(long, env = "MOCK_PLACES_EMPTY_OCEAN")]
    empty_ocean: bool,

    /// Accept only the key that this file holds [default: any key that is not empty]
    #[arg(long, env = "MOCK_PLACES_REQUIRE_KEY_FILE", value_name = "FILE")]
    require_key_file: Option<PathBuf>,

    /// Number of threads that serve, 1 to 64; a connection stays on one
    #[arg(long, env = "MOCK_PLACES_THREADS", value_name = "N", default_value = "2")]
    threads: NonZeroU16,
}

impl CommandLine {
    /// What the stub needs to know; reads the key file.
    pub(crate) fn options(self) -> anyhow::Result<Options> {
        Ok(Options {
            listen: self.listen,
            seed: self.seed,
            key: self.require_key_file.as_deref().map(read_key).transpose()?,
            delay: self.delay,
            faults: self.fail,
            threads: self.threads,
            empty_ocean: self.empty_ocean,
            ..Options::default()
        })
    }
}

fn read_key(file: &Path) -> anyhow::Result<String> {
    let shown = file.display();
    let text = fs::read_to_string(file)
        .with_context(|| format!("cannot read the key file {shown}; name a file that holds the key"))?;
    let key = text.trim();
    ensure!(!key.is_empty(), "the key file {shown} is empty; write the key into it");
    Ok(key.to_owned())
}
