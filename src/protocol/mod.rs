//! The protocol, pure: bytes in, values out. No IO, no clock, no tokio.
//!
//! - [`mod@line`]: a stream of bytes becomes lines
//! - [`text`]: white space, decimals and names, the letters of the protocol
//! - [`time`]: points in time and their exact differences
//! - [`command`]: what a client may say
//! - [`update`]: the AT line, and which of two updates wins
//! - [`places_json`]: what of a Places body a client gets
//! - [`peer`]: what servers say to each other, besides AT lines
//! - [`sync`]: how they find out what one of them lacks

pub mod command;
pub mod line;
pub mod peer;
pub mod places_json;
pub mod sync;
pub mod text;
pub mod time;
pub mod update;
