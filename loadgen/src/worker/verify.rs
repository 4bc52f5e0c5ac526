//! The last look: every server is asked about every client, and must know its newest update.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::judge::Judge;
use crate::clock::RunClock;
use crate::oracle::{Answer, Ask, ClientId, GRACE, Question, ServerId};
use crate::plan::Plan;
use crate::wire::{Shape, reply_length, write_whatsat};

/// Questions that are under way at a time.
const BATCH: usize = 256;
/// The pause before servers are asked again that lacked something.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks all servers until they know everything or have had their time.
pub(super) fn run(plan: &Plan, judge: &mut Judge, clock: RunClock) {
    let known: Vec<ClientId> = (0..judge.oracle.clients()).filter(|&client| judge.oracle.is_known(client)).collect();
    judge.record.counts.died += known.iter().filter(|&&client| judge.oracle.may_be_lost(client)).count() as u64;
    let deadline = clock.now() + 2 * GRACE;
    for (server, target) in plan.servers.iter().enumerate() {
        let mut unsure = known.clone();
        let asked = TcpStream::connect_timeout(&target.address, plan.timeout)
            .and_then(|stream| ask_until_sure(stream, server, &mut unsure, judge, clock, deadline, plan.timeout));
        if asked.is_err() {
            judge.record.counts.unverified += unsure.len() as u64;
        }
    }
}

/// Asks one server about clients until its answers about all of them are judged for good.
fn ask_until_sure(
    mut stream: TcpStream,
    server: ServerId,
    unsure: &mut Vec<ClientId>,
    judge: &mut Judge,
    clock: RunClock,
    deadline: u64,
    timeout: Duration,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(timeout))?;
    while !unsure.is_empty() {
        let mut still_unsure = Vec::new();
        while !unsure.is_empty() {
            let batch = unsure.split_off(unsure.len().saturating_sub(BATCH));
            let questions: Vec<Question> = batch.iter().map(|&about| question(about, server, judge, clock)).collect();
            let replies = exchange(&mut stream, &questions, judge)?;
            for ((about, question), reply) in batch.into_iter().zip(&questions).zip(replies) {
                match judge.oracle.judge(question, &reply) {
                    Ok(Answer::Stale(_)) if clock.now() < deadline => still_unsure.push(about),
                    Ok(_) => {}
                    Err(wrong) => judge.wrong(server, wrong),
                }
            }
        }
        if !still_unsure.is_empty() {
            #[allow(clippy::disallowed_methods)] // this thread has nothing else to do
            std::thread::sleep(PAUSE);
        }
        *unsure = still_unsure;
    }
    Ok(())
}

fn question(about: ClientId, server: ServerId, judge: &Judge, clock: RunClock) -> Question {
    let ask = Ask { about, server, on_own_connection: false, radius: 1, bound: 0 };
    judge.oracle.ask(ask, clock.now())
}

/// Sends questions and waits for their replies.
fn exchange(stream: &mut TcpStream, questions: &[Question], judge: &Judge) -> io::Result<Vec<Vec<u8>>> {
    let mut commands = Vec::new();
    for question in questions {
        write_whatsat(&mut commands, judge.oracle.id(question.about), question.radius, question.bound);
    }
    stream.write_all(&commands)?;
    let mut replies = Vec::with_capacity(questions.len());
    let (mut input, mut buffer) = (Vec::new(), [0; 16 << 10]);
    while replies.len() < questions.len() {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        input.extend_from_slice(&buffer[..count]);
        while let Some(length) = reply_length(&input, 0, Shape::LineAndBody).filter(|_| replies.len() < questions.len())
        {
            replies.push(input.drain(..length).collect());
        }
    }
    Ok(replies)
}
