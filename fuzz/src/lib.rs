//! What the fuzz targets do with their bytes. Each compares the herd with a reference that was
//! written from the documents and shares no code with it, so that the fuzzer finds
//! disagreements and not only panics.
//!
//! | target | takes | compares with |
//! |---|---|---|
//! | [`client_line`] | a client's stream, and where it is cut | [`grammar`] |
//! | [`peer_stream`] | a script of what two neighbours and clients send | [`model`] |
//! | [`herd_file`] | the text of a herd file | the rules, in the target |
//! | [`places_json`] | a Places body | [`json`] and `serde_json::Value` |

mod client_line;
pub mod grammar;
mod herd_file;
pub mod json;
pub mod model;
mod peer_stream;
mod places_json;

pub use self::client_line::client_line;
pub use self::herd_file::herd_file;
pub use self::peer_stream::peer_stream;
pub use self::places_json::places_json;
