//! One client connection: its commands, executed in order.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::bail;
use herd::clock::Clock;
use herd::config::Limits;
use herd::io_log::{Batch, Direction, IoLog};
use herd::places::{Places, Query};
use herd::protocol::command::{Command, Whatsat};
use herd::protocol::line::{Line, LineReader};
use herd::protocol::places_json::NO_RESULTS;
use herd::protocol::text::Name;
use herd::protocol::time::UnixTime;
use herd::protocol::update::{AtLine, Update};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::mpsc;

use crate::replies::{self, Reply};
use crate::store::Store;

/// Bytes that are read at once.
const BUFFER: usize = 16 << 10;

/// What all sessions of a server share.
pub(crate) struct Service {
    pub(crate) name: Name,
    pub(crate) store: Store,
    pub(crate) places: Places,
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
    pub(crate) log: IoLog,
}

/// What a line asks for.
enum Step {
    /// An update is to be kept, and its line to be sent.
    Tell(Update),
    /// This line is a WHATSAT, as far as can be said without knowing its client.
    Ask { line: Vec<u8>, echo: usize },
    /// The line is invalid, and this is its reply.
    Reject(Vec<u8>),
}

/// Runs a connection from its first byte to its last.
pub(crate) async fn serve(stream: TcpStream, address: SocketAddr, number: u64, service: Arc<Service>) {
    let who = format!("c{number}");
    service.note(&who, format_args!("connected from {address}"));
    let reason = match stream.set_nodelay(true) {
        Ok(()) => converse(stream, &who, &service).await,
        Err(error) => Err(error.into()),
    };
    match reason {
        Ok(()) => service.note(&who, "closed: client"),
        Err(error) => service.note(&who, format_args!("closed: {error}")),
    }
}

async fn converse(stream: TcpStream, who: &str, service: &Service) -> anyhow::Result<()> {
    let (input, output) = stream.into_split();
    let (sender, receiver) = mpsc::channel(service.limits.pipelined);
    let (read, written) = tokio::join!(
        read_commands(input, sender, who, service),
        replies::write_all(receiver, output, who, &service.log, &service.clock),
    );
    written?;
    read
}

async fn read_commands(
    mut input: OwnedReadHalf,
    replies: mpsc::Sender<Reply>,
    who: &str,
    service: &Service,
) -> anyhow::Result<()> {
    let mut reader = LineReader::new(service.limits.line);
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = input.read(&mut buffer).await?;
        let steps = service.steps(&mut reader, &buffer[..count], who);
        // What was told before a question is known to it, and nothing else.
        for steps in steps.chunk_by(|one, next| one.is_ask() == next.is_ask()) {
            let answers = if steps[0].is_ask() { service.ask(steps).await } else { service.tell(steps).await };
            for reply in answers? {
                if replies.send(reply).await.is_err() {
                    bail!("the client takes no replies");
                }
            }
        }
        if count == 0 {
            return Ok(());
        }
    }
}

impl Service {
    /// What the lines that end in a piece of input ask for; in the last piece, an empty one, also
    /// the line that has not ended.
    fn steps(&self, reader: &mut LineReader, mut input: &[u8], who: &str) -> Vec<Step> {
        let receipt = self.clock.now();
        let mut log = Batch::default();
        log.begin(&self.log, receipt);
        let mut steps = Vec::new();
        let is_end = input.is_empty();
        while let Some(line) = reader.next_line(&mut input) {
            steps.push(self.step(line, receipt, who, &mut log));
        }
        if let Some(line) = is_end.then(|| reader.finish()).flatten() {
            steps.push(self.step(line, receipt, who, &mut log));
        }
        self.log.append(&mut log);
        steps
    }

    fn step(&self, line: Line<'_>, receipt: UnixTime, who: &str, log: &mut Batch) -> Step {
        let (bytes, command) = match line {
            Line::Whole(bytes) | Line::Unended(bytes) => (bytes, Command::parse(bytes).ok()),
            Line::TooLong(bytes) => (bytes, None),
        };
        log.line(who, Direction::Read, bytes);
        // CR LF is a line's end only where there is an LF, and where it is all there.
        let is_cr_lf = matches!(line, Line::Whole(_)) && bytes.ends_with(b"\r");
        let echo = bytes.len() - usize::from(is_cr_lf);
        match command {
            Some(Command::Iamat(iamat)) => {
                Step::Tell(Update::new(AtLine::write(&mut Vec::new(), &self.name, receipt, &iamat)))
            }
            Some(Command::Whatsat(_)) => Step::Ask { line: bytes.to_vec(), echo },
            None => Step::Reject(reject(&bytes[..echo])),
        }
    }

    /// The replies to IAMATs, once the primary has taken them, and to what is invalid among them.
    async fn tell(&self, steps: &[Step]) -> anyhow::Result<Vec<Reply>> {
        let updates: Vec<Update> = steps.iter().filter_map(Step::update).cloned().collect();
        if !updates.is_empty() {
            self.store.put(&updates).await?;
        }
        let reply = |step: &Step| match step {
            Step::Tell(update) => [update.line().bytes(), b"\n"].concat(),
            Step::Reject(reply) => reply.clone(),
            Step::Ask { .. } => unreachable!("questions are apart"),
        };
        Ok(steps.iter().map(|step| Reply::Ready(reply(step))).collect())
    }

    /// The replies to WHATSATs.
    async fn ask(&self, steps: &[Step]) -> anyhow::Result<Vec<Reply>> {
        let questions: Vec<_> = steps.iter().filter_map(Step::question).collect();
        let ids: Vec<_> = questions.iter().map(|(whatsat, _)| whatsat.id.as_bytes()).collect();
        let known = self.store.get(&ids).await?;
        let answer = |((whatsat, echo), update): ((Whatsat<'_>, &[u8]), Option<Update>)| {
            let Some(update) = update else { return Reply::Ready(reject(echo)) };
            if whatsat.bound == 0 {
                return Reply::Ready([update.line().bytes(), b"\n", NO_RESULTS, b"\n\n"].concat());
            }
            let answer = self.places.ask(Query::new(update.line().location(), whatsat.radius));
            Reply::Places { update, bound: whatsat.bound, answer }
        };
        Ok(questions.into_iter().zip(known).map(answer).collect())
    }

    fn note(&self, who: &str, what: impl Display) {
        let mut log = Batch::default();
        log.begin(&self.log, self.clock.now());
        log.notice(who, what);
        self.log.append(&mut log);
    }
}

impl Step {
    fn is_ask(&self) -> bool {
        matches!(self, Self::Ask { .. })
    }

    fn update(&self) -> Option<&Update> {
        match self {
            Self::Tell(update) => Some(update),
            _ => None,
        }
    }

    /// A WHATSAT, and what is repeated if its client is not known.
    fn question(&self) -> Option<(Whatsat<'_>, &[u8])> {
        let Self::Ask { line, echo } = self else { return None };
        match Command::parse(line) {
            Ok(Command::Whatsat(whatsat)) => Some((whatsat, &line[..*echo])),
            _ => unreachable!("it was parsed before"),
        }
    }
}

fn reject(echo: &[u8]) -> Vec<u8> {
    [b"? ", echo, b"\n"].concat()
}
