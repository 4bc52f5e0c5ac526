//! A stand-in for Google's classic Places Nearby Search that needs no key and no network.
//!
//! The same seed and location give the same answer, byte for byte, on every machine. Latency and
//! faults are options, and equally repeatable. It is served by [`wiremock`].
//!
//! # Map
//!
//! Pure, no IO, no clock; imports go to the same line or to lines above:
//!
//! | file | job |
//! |---|---|
//! | `decimal`, `draw`, `words` | exact decimal numbers; seeded random numbers; names and kinds of places |
//! | `location`, `ocean`, `plus_code`, `spread` | a checked location and radius; where nothing is; plus codes; points in a circle |
//! | `google_text` | the service's own JSON layout |
//! | `place`, `nearby`, `refusal` | one place, a whole answer, an answer without places |
//! | `delay`, `share`, `faults` | how late an answer is, and which one fails in what way |
//! | `query`, `options`, `service` | one request's parameters; everything selectable; request in, reply out |
//!
//! On top of it, `listen` opens sockets, `mount` hands replies to wiremock and keeps its memory flat,
//! `server` starts and stops everything, and `main` with `command_line` is the program.
//!
//! # Example
//!
//! ```
//! use mock_places::{DUMMY_KEY, MockPlaces, Options};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let places = MockPlaces::start(Options::default()).await?;
//! let url = format!(
//!     "{}/maps/api/place/nearbysearch/json?location=34.068930,-118.445127&radius=10000&key={DUMMY_KEY}",
//!     places.url()
//! );
//! # assert!(url.starts_with("http://127.0.0.1:"));
//! # Ok::<(), mock_places::StartError>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod decimal;
mod delay;
mod draw;
mod faults;
mod google_text;
mod listen;
mod location;
mod mount;
mod nearby;
mod ocean;
mod options;
mod place;
mod plus_code;
mod query;
mod refusal;
mod server;
mod service;
mod share;
mod spread;
mod words;

pub use delay::{Delay, DelayError};
pub use faults::{Fault, Faults, FaultsError};
pub use location::{Location, ParameterError, Radius};
pub use nearby::{World, nearby_search};
pub use options::{DUMMY_KEY, Options};
pub use server::{MockPlaces, StartError};
pub use share::{Share, ShareError};
