//! The server from outside: over real sockets, at ports that the system chose, and as a process.
//! Tests are named after what they show; they wait for events, not for time.
#![allow(clippy::unwrap_used)]

mod allocations;
mod bounds;
mod certificates;
mod certs;
mod client;
mod client_port;
mod documents;
mod flooding;
mod hostile;
mod http;
mod kill;
mod layers;
mod links;
mod load;
mod logs;
mod overload;
mod process;
mod running;
mod shutdown;
mod startup;
mod stub;
mod sync;
mod tap;
mod tls;
mod whatsat;
