//! What must hold at every step and at the end.

use herd::digest::Digest;
use herd::flood::Flood;
use herd::protocol::update::{AtLine, Update};
use herd::store::BUCKETS;

use crate::plan::Plan;

/// Remembers what was acknowledged and what each server has known.
#[derive(Debug)]
pub(crate) struct Oracle {
    /// By client: what no server may lack at the end.
    owed: Vec<Option<Update>>,
    /// By server and client: what it has known since it started.
    known: Vec<Vec<Option<Update>>>,
    /// Stores are so small that clients have to go.
    is_tight: bool,
}

/// The clients are named by their numbers.
pub(crate) fn client_id(client: usize) -> String {
    format!("c{client}")
}

fn client_number(id: &[u8]) -> Option<usize> {
    std::str::from_utf8(id).ok()?.strip_prefix('c')?.parse().ok()
}

fn text(update: Option<&Update>) -> String {
    update.map_or("nothing".into(), |update| update.line().bytes().escape_ascii().to_string())
}

impl Oracle {
    pub(crate) fn new(plan: &Plan) -> Self {
        let none = vec![None; plan.clients];
        Self { owed: none.clone(), known: vec![none; plan.servers], is_tight: plan.is_tight }
    }

    /// A client was told that its update was accepted.
    pub(crate) fn acknowledged(&mut self, line: AtLine<'_>) {
        let owed = &mut self.owed[client_number(line.id()).unwrap()];
        if owed.as_ref().is_none_or(|owed| owed.line() < line) {
            *owed = Some(Update::new(line));
        }
    }

    /// A server may have learnt something about a client: what it knows never goes back.
    pub(crate) fn touched(&mut self, server: usize, id: &[u8], flood: &Flood) -> Result<(), String> {
        let Some(client) = client_number(id) else { return Ok(()) };
        let now = flood.store().get(id);
        let before = &mut self.known[server][client];
        let went_back = match (&before, now) {
            (Some(before), Some(now)) => now.line() < before.line(),
            (Some(_), None) => !self.is_tight,
            (None, _) => false,
        };
        if went_back {
            return Err(format!("what S{server} knows went back from {} to {}", text(before.as_ref()), text(now)));
        }
        *before = now.cloned();
        Ok(())
    }

    /// What a server knows of each client.
    pub(crate) fn all_known(&self, flood: &Flood) -> Vec<Option<Update>> {
        (0..self.owed.len()).map(|client| flood.store().get(client_id(client).as_bytes()).cloned()).collect()
    }

    /// A server believes that it knows all that a neighbour knew when their link formed.
    pub(crate) fn caught_up(&self, server: usize, flood: &Flood, theirs: &[Option<Update>]) -> Result<(), String> {
        let lacks = |(known, there): &(&Option<Update>, &Option<Update>)| {
            known.as_ref().map(Update::line) < there.as_ref().map(Update::line)
        };
        match self.all_known(flood).iter().zip(theirs).find(lacks).filter(|_| !self.is_tight) {
            Some((known, there)) => {
                let (known, there) = (text(known.as_ref()), text(there.as_ref()));
                Err(format!("S{server} believes that it has caught up and knows {known} instead of {there}"))
            }
            None => Ok(()),
        }
    }

    /// A server has forgotten everything. What no other server knows is no longer owed.
    pub(crate) fn crashed<'f>(&mut self, server: usize, others: impl Iterator<Item = &'f Flood>) {
        self.known[server].fill(None);
        let others: Vec<_> = others.collect();
        for (client, owed) in self.owed.iter_mut().enumerate() {
            let id = client_id(client);
            let best = others.iter().filter_map(|flood| flood.store().get(id.as_bytes()));
            let best = best.max_by_key(|update| update.line()).cloned();
            if let Some(line) = owed.as_ref().map(Update::line)
                && best.as_ref().is_none_or(|best| best.line() < line)
            {
                *owed = best;
            }
        }
    }

    /// All servers agree, on what they have to know.
    pub(crate) fn at_the_end(&self, floods: &[&Flood], limit: usize) -> Result<(), String> {
        for (server, flood) in floods.iter().enumerate() {
            let store = flood.store();
            let counted = |bucket| store.bucket(bucket).iter().map(|update| Digest::of(update.line().bytes())).sum();
            if store.digest() != (0..BUCKETS).map(counted).sum::<Digest>() {
                return Err(format!("the digest of S{server} is not that of what it knows"));
            }
            if store.digest() != floods[0].store().digest() {
                let differs = (0..self.owed.len()).map(client_id).find(|id| {
                    let [a, b] = [floods[0], flood].map(|flood| text(flood.store().get(id.as_bytes())));
                    a != b
                });
                let id = differs.unwrap_or_default();
                let [a, b] = [floods[0], flood].map(|flood| text(flood.store().get(id.as_bytes())));
                return Err(format!("S0 and S{server} do not agree, for example about {id}: {a} and {b}"));
            }
            if store.clients() > limit {
                return Err(format!("S{server} stores {} clients where {limit} are allowed", store.clients()));
            }
            for (client, owed) in self.owed.iter().enumerate().filter(|_| !self.is_tight) {
                let known = store.get(client_id(client).as_bytes());
                if known.map(Update::line) < owed.as_ref().map(Update::line) {
                    let (known, owed) = (text(known), text(owed.as_ref()));
                    return Err(format!("S{server} lacks an acknowledged update: it knows {known} instead of {owed}"));
                }
            }
        }
        Ok(())
    }
}
