//! Runs real herds, as processes of their own, under load, and reports what was measured.
//!
//! - [`programs`]: builds the workspace and says where its programs are
//! - [`ports`], [`herd_text`]: ports for a herd, and its herd file
//! - [`processes`]: a herd of server processes, from start to stop, also by violence
//! - [`scrape`], [`agreement`]: what servers say over HTTP, and whether they agree
//! - [`relay`], [`relayed`]: a network between servers that can be cut
//! - [`namespaces`]: a network of their own for processes, whose packets can be dropped
//! - [`feed`], [`load`]: fills a herd with clients; loads it with the load generator
//! - [`null_responder`]: a server that does next to nothing, to measure the load generator with
//! - [`redis`], [`byte_relay`]: other programs to compare a herd with
//! - [`companion`]: a process beside a herd
//! - [`memory`], [`processor_time`], [`seconds`]: processes and load over time
//! - [`figure`], [`bars`], [`table`], [`statistics`]: what was measured, for people
//! - [`experiment`]: what all experiments have in common
//! - [`demo`]: the first look: a thousand clients for ten seconds
//! - [`heal`]: what it costs to bring a herd together again
//! - [`stopped_neighbour`]: what a server that is stopped costs the others
//! - [`rolling_kill`]: killing one server after the other under load
//! - [`faults`]: networks, disks, processes and services that fail
//! - [`generator`]: what the load generator itself costs, and how fast it can be
//! - [`beyond_capacity`]: what an open and a closed loop say of a server that is asked too much
//! - [`ground`]: how fast and how small it all is, beside other programs of the same session

pub mod agreement;
pub mod bars;
pub mod beyond_capacity;
pub mod byte_relay;
pub mod companion;
pub mod demo;
pub mod experiment;
pub mod faults;
pub mod feed;
pub mod figure;
pub mod generator;
pub mod ground;
pub mod heal;
pub mod herd_text;
pub mod load;
pub mod memory;
pub mod namespaces;
pub mod null_responder;
pub mod ports;
pub mod processes;
pub mod processor_time;
pub mod programs;
pub mod redis;
pub mod relay;
pub mod relayed;
pub mod rolling_kill;
pub mod scrape;
pub mod seconds;
pub mod statistics;
pub mod stopped_neighbour;
pub mod table;
