//! A client's connection: it sends commands and holds every reply against the command that it
//! must answer, in order.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use herd::protocol::update::Update;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::time::{Instant, sleep, timeout};
use turmoil::net::TcpStream;

use crate::history::{Ended, History, Incarnation, operands, update};
use crate::host::{CLIENTS, Hosts};

/// How long a client waits for a connection.
const CONNECT: Duration = Duration::from_secs(1);
/// The longest that a reply may take: the deadline of Places, and the way there and back.
const LONGEST: Duration = Duration::from_millis(5500);
/// The longest that a reply may take which does not wait for Places: there and back.
const PROMPT: Duration = Duration::from_millis(250);

/// A command.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    /// IAMAT, with its operands.
    Report { id: String, operands: String },
    /// WHATSAT; a radius if Places is to be asked, else the bound is 0.
    Ask { id: String, radius: Option<u32> },
    /// Something that is no command.
    Nonsense(String),
}

/// The connection has ended.
#[derive(Debug)]
pub(crate) struct Parted;

pub(crate) struct Conversation {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
    with: Incarnation,
    label: String,
    history: Rc<History>,
    replies: usize,
    /// What this connection was shown, by client.
    seen: BTreeMap<String, Update>,
}

/// A command whose reply is to come, and what that must not be older than.
struct Due {
    command: Command,
    at_least: Option<Update>,
    sent: Instant,
    is_prompt: bool,
}

impl Command {
    fn text(&self) -> String {
        match self {
            Self::Report { operands, .. } => format!("IAMAT {operands}"),
            Self::Ask { id, radius: None } => format!("WHATSAT {id} 1 0"),
            Self::Ask { id, radius: Some(radius) } => format!("WHATSAT {id} {radius} 5"),
            Self::Nonsense(text) => text.clone(),
        }
    }
}

impl Conversation {
    /// Connects to a server, if it is there.
    pub(crate) async fn open(hosts: &Hosts, history: Rc<History>, server: usize) -> Option<Self> {
        let stream = timeout(CONNECT, TcpStream::connect((hosts.name(server), CLIENTS))).await.ok()?.ok()?;
        let with = hosts.incarnation(server);
        let (address, label) = (stream.local_addr().ok()?, hosts.label(with));
        let (stream, seen) = (BufReader::new(stream), BTreeMap::new());
        Some(Self { stream, address, with, label, history, replies: 0, seen })
    }

    /// Sends commands, some of them a moment later, and then reads their replies.
    pub(crate) async fn exchange(&mut self, commands: Vec<Command>, later: (usize, Duration)) -> Result<(), Parted> {
        let mut due = Vec::new();
        let (count, pause) = later;
        let (now, later) = commands.split_at(commands.len().saturating_sub(count));
        self.send(now, &mut due).await?;
        if !later.is_empty() {
            sleep(pause).await;
            self.send(later, &mut due).await?;
        }
        self.replies_to(due).await
    }

    /// Sends the last commands and that nothing more will come; then sees that nothing more does.
    pub(crate) async fn close(mut self, last: Vec<Command>) -> Result<(), Parted> {
        let mut due = Vec::new();
        self.send(&last, &mut due).await?;
        self.stream.shutdown().await.map_err(|_| Parted)?;
        self.replies_to(due).await?;
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).await.map_err(|_| Parted)?;
        if !rest.is_empty() {
            self.complain(&format!("said {:?} unasked", String::from_utf8_lossy(&rest)));
        }
        Ok(())
    }

    /// Sends commands in one write.
    async fn send(&mut self, commands: &[Command], due: &mut Vec<Due>) -> Result<(), Parted> {
        let mut bytes = String::new();
        for command in commands {
            bytes.push_str(&command.text());
            bytes.push('\n');
            let mut at_least = None;
            let mut is_prompt = due.last().is_none_or(|before| before.is_prompt);
            match &command {
                Command::Report { id, operands } => self.history.send(id, operands.clone()),
                Command::Ask { id, radius } => {
                    is_prompt &= radius.is_none();
                    at_least = self.history.shown(self.with, id);
                }
                Command::Nonsense(_) => {}
            }
            due.push(Due { command: command.clone(), at_least, sent: Instant::now(), is_prompt });
        }
        self.stream.write_all(bytes.as_bytes()).await.map_err(|_| Parted)
    }

    async fn replies_to(&mut self, due: Vec<Due>) -> Result<(), Parted> {
        for due in due {
            self.reply_to(due).await?;
        }
        Ok(())
    }

    async fn reply_to(&mut self, due: Due) -> Result<(), Parted> {
        let Ok(reply) = timeout(LONGEST, self.read_reply(&due.command)).await else {
            self.complain(&format!("did not answer {:?}", due.command));
            return Err(Parted);
        };
        let (line, body) = reply?;
        self.replies += 1;
        if due.is_prompt && due.sent.elapsed() > PROMPT {
            self.complain(&format!("took {:?} for {:?}", due.sent.elapsed(), due.command));
        }
        if let Err(what) = self.judge(&due, &line, &body) {
            self.complain(&format!("answered {:?} with {line:?} {body:?}: {what}", due.command));
        }
        Ok(())
    }

    /// A reply's line, and its body if the command asks for one.
    async fn read_reply(&mut self, command: &Command) -> Result<(String, String), Parted> {
        let (line, mut body) = (self.read_line().await?, String::new());
        if matches!(command, Command::Ask { .. }) && line.starts_with("AT ") {
            loop {
                match self.read_line().await? {
                    end if end.is_empty() => break,
                    part => body.push_str(&part),
                }
            }
        }
        Ok((line, body))
    }

    async fn read_line(&mut self) -> Result<String, Parted> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).await.map_err(|_| Parted)?;
        let line = line.strip_suffix(b"\n").ok_or(Parted)?;
        Ok(String::from_utf8_lossy(line).into_owned())
    }

    fn judge(&mut self, due: &Due, line: &str, body: &str) -> Result<(), &'static str> {
        let is_rejection = line == format!("? {}", due.command.text());
        match &due.command {
            Command::Nonsense(_) => is_rejection.then_some(()).ok_or("not the command itself"),
            Command::Report { operands: said, .. } => {
                let acknowledged = update(line).ok_or("no AT line")?;
                self.history.acknowledge(self.with, &acknowledged);
                (operands(line) == said).then_some(()).ok_or("other operands")?;
                self.note(acknowledged);
                Ok(())
            }
            Command::Ask { id, .. } if is_rejection => {
                let is_known = due.at_least.is_some() || self.seen.contains_key(id);
                (!is_known).then_some(()).ok_or("the client was known before")
            }
            Command::Ask { id, radius } => {
                let shown =
                    update(line).filter(|line| line.line().id() == id.as_bytes()).ok_or("no line of the client")?;
                let is_older = |than: &Update| shown.line() < than.line();
                if due.at_least.as_ref().is_some_and(is_older) || self.seen.get(id).is_some_and(is_older) {
                    return Err("something newer was known before");
                }
                self.history.note_shown(self.with, &shown);
                self.note(shown);
                is_answer(body, *radius).then_some(()).ok_or("not the body that was asked for")
            }
        }
    }

    /// The server has shown this to us: it may show nothing older from now on. (Of what it
    /// acknowledges that holds only for what it took in, and that is at least as much.)
    fn note(&mut self, line: Update) {
        let id = String::from_utf8_lossy(line.line().id()).into_owned();
        let seen = self.seen.entry(id).or_insert_with(|| line.clone());
        if seen.line() < line.line() {
            *seen = line;
        }
    }

    fn complain(&self, what: &str) {
        self.history.complain(format!("{} {what} ({})", self.label, self.address));
    }
}

/// Whether a body is an answer to a question with this radius, or says why there is none.
fn is_answer(body: &str, radius: Option<u32>) -> bool {
    let is_empty = body.contains("\"results\" : []");
    radius.map_or(is_empty, |radius| is_empty || body.contains(&format!("&radius={radius}000\"")))
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.history.end(Ended { with: self.with, address: self.address, replies: self.replies });
    }
}
