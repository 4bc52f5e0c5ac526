//! What a fake server says: right answers, and the one fault that it was told.

use std::collections::{HashMap, HashSet};

use super::{Behaviour, Fault, Known};

/// The body of an answer without results.
const NOTHING: &str = "{\n   \"html_attributions\" : [],\n   \"results\" : [],\n   \"status\" : \"OK\"\n}";
/// Nanoseconds by which differences are shifted.
const SHIFT: i128 = 60_000_000_000;
/// The command of a connection at which it falls silent or is closed.
const LAST: u64 = 3;

/// Who talks over a connection.
#[derive(Debug, Default)]
pub(super) struct Speaker {
    /// The client that has told where it is.
    id: Option<String>,
    /// Commands so far.
    commands: u64,
    /// A reply that is to come behind the next one.
    held_back: Option<String>,
    /// Nothing is answered any more.
    is_ignored: bool,
}

/// What a command brings about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// So many replies, in these bytes.
    Say(String, u64),
    /// Nothing for now; the next command brings it.
    Wait,
    /// Nothing, ever.
    Ignore,
    /// The end of the connection, behind what was said before.
    HangUp,
}

/// Answers commands, and counts how often its fault came about.
#[derive(Debug)]
pub(super) struct Answering {
    name: String,
    fault: Fault,
    times: u64,
    known: Known,
    neighbours: Vec<Known>,
    /// By client its first AT line.
    first: HashMap<String, String>,
    /// Clients whose updates are not kept, or not passed on.
    victims: HashSet<String>,
    faults: u64,
}

impl Answering {
    pub(super) fn new(behaviour: Behaviour) -> Self {
        let Behaviour { name, fault, times, known, neighbours, .. } = behaviour;
        let (first, victims) = Default::default();
        Self { name, fault, times, known, neighbours, first, victims, faults: 0 }
    }

    /// How often the fault came about.
    pub(super) fn faults(&self) -> u64 {
        self.faults
    }

    /// Answers a line without its LF that was received at `now`, in nanoseconds since the epoch.
    pub(super) fn answer(&mut self, line: &str, speaker: &mut Speaker, now: u64) -> Answer {
        speaker.commands += 1;
        if speaker.is_ignored {
            return Answer::Ignore;
        }
        for (fault, answer) in [(Fault::FallsSilent, Answer::Ignore), (Fault::HangsUp, Answer::HangUp)] {
            if speaker.commands == LAST && self.does(fault) {
                speaker.is_ignored = true;
                return answer;
            }
        }
        let reply = self.reply(line, speaker, now);
        match speaker.held_back.take() {
            Some(held_back) => Answer::Say(reply + &held_back, 2),
            None if speaker.commands == 1 && self.does(Fault::Reorders) => {
                speaker.held_back = Some(reply);
                Answer::Wait
            }
            None => Answer::Say(reply, 1),
        }
    }

    /// Whether it now does what is wrong, which counts.
    fn does(&mut self, fault: Fault) -> bool {
        let does = self.fault == fault && self.faults < self.times;
        self.faults += u64::from(does);
        does
    }

    fn reply(&mut self, line: &str, speaker: &mut Speaker, now: u64) -> String {
        let fields: Vec<&str> = line.split(' ').collect();
        let reply = match fields[..] {
            ["IAMAT", id, place, stamp] => self.iamat(id, place, stamp, speaker, now),
            ["WHATSAT", id, _, _] => self.whatsat(id, speaker),
            _ => None,
        };
        reply.unwrap_or_else(|| self.copy(line))
    }

    fn iamat(&mut self, id: &str, place: &str, stamp: &str, speaker: &mut Speaker, now: u64) -> Option<String> {
        let shift = if self.does(Fault::ShiftsTheDifference) { SHIFT } else { 0 };
        let difference = i128::from(now) - nanos(stamp)? + shift;
        let (sign, size) = (if difference < 0 { '-' } else { '+' }, difference.unsigned_abs());
        let mut difference = format!("{sign}{}.{:09}", size / 1_000_000_000, size % 1_000_000_000);
        let name = &self.name;
        let at = format!("AT {name} {difference} {id} {place} {stamp}\n");
        self.learn(id, &at);
        speaker.id = Some(id.to_owned());
        if self.does(Fault::DropsADecimal) {
            difference.pop();
            return Some(format!("AT {} {difference} {id} {place} {stamp}\n", self.name));
        }
        if self.does(Fault::WrongName) {
            return Some(format!("AT Dora {difference} {id} {place} {stamp}\n"));
        }
        if self.does(Fault::ChangesThePlace) {
            let elsewhere = if place.ends_with('1') { '2' } else { '1' };
            let place = &place[..place.len() - 1];
            return Some(format!("AT {} {difference} {id} {place}{elsewhere} {stamp}\n", self.name));
        }
        Some(if self.does(Fault::SaysMore) { at.repeat(2) } else { at })
    }

    /// Keeps an update and passes it on, unless it does that wrong.
    fn learn(&mut self, id: &str, at: &str) {
        let is_first = !self.first.contains_key(id);
        if is_first {
            self.first.insert(id.to_owned(), at.to_owned());
        }
        let is_victim = !is_first && self.is_victim(id);
        if !(is_victim && self.fault == Fault::Forgets) {
            keep(&self.known, id, at);
        }
        if !is_victim {
            self.neighbours.iter().for_each(|neighbour| keep(neighbour, id, at));
        }
    }

    fn is_victim(&mut self, id: &str) -> bool {
        let is_about_clients = matches!(self.fault, Fault::Forgets | Fault::KeepsToItself);
        if is_about_clients && !self.victims.contains(id) && self.does(self.fault) {
            self.victims.insert(id.to_owned());
        }
        self.victims.contains(id)
    }

    fn whatsat(&mut self, id: &str, speaker: &Speaker) -> Option<String> {
        let mut at = self.known.lock().expect("nothing panics while it holds this").get(id)?.clone();
        // Who tells over this connection must be answered with what it told last, whatever other
        // connections have brought meanwhile: an older place is certainly wrong.
        if speaker.id.as_deref() == Some(id)
            && let Some(first) = self.first.get(id).filter(|&first| *first != at).cloned()
            && self.does(Fault::AnswersStale)
        {
            at = first;
        }
        if self.does(Fault::CutsJson) {
            // Without the newline, too: a third one would be the beginning of another reply.
            return Some(format!("{at}{}\n\n", NOTHING.trim_end_matches("\n}")));
        }
        if self.does(Fault::TooMany) {
            return Some(format!("{at}{{\"results\":[{}0],\"status\":\"OK\"}}\n\n", "0,".repeat(20)));
        }
        Some(format!("{at}{NOTHING}\n\n"))
    }

    fn copy(&mut self, line: &str) -> String {
        let spaces = if self.does(Fault::ChangesTheCopy) { "  " } else { " " };
        format!("?{spaces}{line}\n")
    }
}

fn keep(known: &Known, id: &str, at: &str) {
    known.lock().expect("nothing panics while it holds this").insert(id.to_owned(), at.to_owned());
}

/// A stamp with nine decimals, in nanoseconds.
fn nanos(stamp: &str) -> Option<i128> {
    let (seconds, decimals) = stamp.split_once('.').filter(|(_, decimals)| decimals.len() == 9)?;
    Some(seconds.parse::<i128>().ok()? * 1_000_000_000 + decimals.parse::<i128>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 12_000_000_001;

    /// A conversation over one connection.
    fn talk(behaviour: Behaviour, lines: &[&str]) -> (Vec<Answer>, u64) {
        let (mut answering, mut speaker) = (Answering::new(behaviour), Speaker::default());
        let answers = lines.iter().map(|line| answering.answer(line, &mut speaker, NOW)).collect();
        (answers, answering.faults())
    }

    fn wrong(fault: Fault, times: u64) -> Behaviour {
        Behaviour { fault, times, ..Behaviour::default() }
    }

    fn say(text: &str) -> Answer {
        Answer::Say(text.into(), 1)
    }

    const IAMAT: &str = "IAMAT a +1+1 10.000000000";
    const AT: &str = "AT Clark +2.000000001 a +1+1 10.000000000\n";

    #[test]
    fn a_right_server_answers_right() {
        let behaviour = Behaviour::default();
        let neighbour = Known::default();
        let behaviour = Behaviour { neighbours: vec![neighbour.clone()], ..behaviour };
        let lines = ["IAMAT a +1+1 13.000000000", IAMAT, "WHATSAT a 1 1", "WHATSAT b 1 1", "HELLO"];
        let (answers, faults) = talk(behaviour, &lines);
        let early = say("AT Clark -0.999999999 a +1+1 13.000000000\n");
        let found = say(&format!("{AT}{NOTHING}\n\n"));
        assert_eq!(answers, [early, say(AT), found, say("? WHATSAT b 1 1\n"), say("? HELLO\n")]);
        assert_eq!((faults, neighbour.lock().unwrap()["a"].as_str()), (0, AT));
    }

    #[test]
    fn each_fault_comes_so_often_and_no_more() {
        let invalid = |text: &str| (Fault::ChangesTheCopy, vec!["X"; 2], say(text), say("? X\n"));
        let of_iamat = |fault, text: &str| (fault, vec![IAMAT; 2], say(text), say(AT));
        for (fault, lines, first, second) in [
            of_iamat(Fault::DropsADecimal, "AT Clark +2.00000000 a +1+1 10.000000000\n"),
            of_iamat(Fault::ShiftsTheDifference, "AT Clark +62.000000001 a +1+1 10.000000000\n"),
            of_iamat(Fault::ChangesThePlace, "AT Clark +2.000000001 a +1+2 10.000000000\n"),
            of_iamat(Fault::WrongName, "AT Dora +2.000000001 a +1+1 10.000000000\n"),
            of_iamat(Fault::SaysMore, &AT.repeat(2)),
            invalid("?  X\n"),
        ] {
            let (answers, faults) = talk(wrong(fault, 1), &lines);
            assert_eq!((answers, faults), (vec![first, second], 1), "{fault:?}");
        }
    }

    #[test]
    fn who_asks_about_itself_gets_a_stale_answer_once_there_is_one() {
        let later = "IAMAT a +2+2 11.000000000";
        let lines = [IAMAT, "WHATSAT a 1 1", later, "WHATSAT a 1 1", "WHATSAT a 1 1"];
        let (answers, faults) = talk(wrong(Fault::AnswersStale, 1), &lines);
        let found = say(&format!("{AT}{NOTHING}\n\n"));
        assert!(answers[1] == found && answers[3] == found && answers[4] != found);
        assert_eq!(faults, 1);
    }

    #[test]
    fn replies_change_places_connections_fall_silent_and_updates_are_forgotten() {
        let (answers, _) = talk(wrong(Fault::Reorders, 1), &["A", "B", "C"]);
        assert_eq!(answers, [Answer::Wait, Answer::Say("? B\n? A\n".into(), 2), say("? C\n")]);
        for (fault, third) in [(Fault::FallsSilent, Answer::Ignore), (Fault::HangsUp, Answer::HangUp)] {
            let (answers, faults) = talk(wrong(fault, 1), &["A", "B", "C", "D"]);
            assert_eq!((answers, faults), (vec![say("? A\n"), say("? B\n"), third, Answer::Ignore], 1));
        }
        for (fault, here, there) in [(Fault::Forgets, 10, 10), (Fault::KeepsToItself, 12, 10), (Fault::None, 12, 12)] {
            let (known, neighbour) = (Known::default(), Known::default());
            let behaviour = Behaviour { known: known.clone(), neighbours: vec![neighbour.clone()], ..wrong(fault, 1) };
            let lines = [IAMAT, "IAMAT a +2+2 11.000000000", "IAMAT a +3+3 12.000000000"];
            let (_, faults) = talk(behaviour, &lines);
            assert_eq!(faults, u64::from(fault != Fault::None), "a client counts once");
            for (known, stamp) in [(known, here), (neighbour, there)] {
                let line = known.lock().unwrap()["a"].clone();
                assert!(line.ends_with(&format!(" {stamp}.000000000\n")), "{fault:?}: {line}");
            }
        }
    }
}
