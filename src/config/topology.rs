//! Who is linked with whom, how far apart servers are, and what it takes to part them.

use std::collections::VecDeque;

/// The graph of a herd's links. Servers are numbers, as in [`super::Herd::servers`].
#[derive(Debug, Clone)]
pub struct Topology {
    neighbours: Vec<Vec<usize>>,
}

/// Servers without which the others no longer all reach each other.
pub type Cut = Vec<usize>;

impl Topology {
    /// The graph of `links` between `servers` servers.
    #[must_use]
    pub fn new(servers: usize, links: &[[usize; 2]]) -> Self {
        let mut neighbours = vec![Vec::new(); servers];
        for &[a, b] in links {
            neighbours[a].push(b);
            neighbours[b].push(a);
        }
        for list in &mut neighbours {
            list.sort_unstable();
        }
        Self { neighbours }
    }

    /// A server's neighbours, in order.
    #[must_use]
    pub fn neighbours(&self, server: usize) -> &[usize] {
        &self.neighbours[server]
    }

    /// Links to every server on the shortest way, where `dead` servers pass nothing on;
    /// `None` for those that cannot be reached, and for the dead.
    #[must_use]
    pub fn hops(&self, from: usize, dead: &[usize]) -> Vec<Option<usize>> {
        let mut hops = vec![None; self.neighbours.len()];
        let mut queue = VecDeque::new();
        if !dead.contains(&from) {
            hops[from] = Some(0);
            queue.push_back((from, 0));
        }
        while let Some((server, distance)) = queue.pop_front() {
            for &next in &self.neighbours[server] {
                if hops[next].is_none() && !dead.contains(&next) {
                    hops[next] = Some(distance + 1);
                    queue.push_back((next, distance + 1));
                }
            }
        }
        hops
    }

    /// Whether all servers but the `dead` reach each other.
    #[must_use]
    pub fn is_connected_without(&self, dead: &[usize]) -> bool {
        let mut alive = (0..self.neighbours.len()).filter(|server| !dead.contains(server));
        let Some(first) = alive.next() else { return true };
        let hops = self.hops(first, dead);
        alive.all(|server| hops[server].is_some())
    }

    /// The most links between any two servers; 0 if some do not reach each other.
    #[must_use]
    pub fn diameter(&self) -> usize {
        let servers = 0..self.neighbours.len();
        servers.flat_map(|server| self.hops(server, &[])).map(Option::unwrap_or_default).max().unwrap_or(0)
    }

    /// The single servers that part the herd, or else the pairs that do.
    #[must_use]
    pub fn smallest_cuts(&self) -> Vec<Cut> {
        let servers = 0..self.neighbours.len();
        let parts = |cut: &Cut| !self.is_connected_without(cut);
        let single: Vec<Cut> = servers.clone().map(|server| vec![server]).filter(parts).collect();
        if !single.is_empty() {
            return single;
        }
        let pairs = servers.clone().flat_map(|a| servers.clone().skip(a + 1).map(move |b| vec![a, b]));
        pairs.filter(parts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Herd;

    fn names(herd: &Herd, cut: &Cut) -> Vec<String> {
        cut.iter().map(|&server| herd.servers()[server].name.to_string()).collect()
    }

    #[test]
    fn in_the_built_in_herd_three_pairs_and_no_single_server_part_the_rest() {
        let herd = Herd::built_in();
        let topology = herd.topology();
        assert_eq!(topology.diameter(), 2);
        let cuts: Vec<_> = topology.smallest_cuts().iter().map(|cut| names(&herd, cut)).collect();
        assert_eq!(cuts, [["Bona", "Campbell"], ["Bona", "Jaquez"], ["Campbell", "Clark"]]);
    }

    #[test]
    fn a_chain_is_parted_by_each_server_within() {
        let chain = Topology::new(4, &[[0, 1], [1, 2], [2, 3]]);
        assert_eq!(chain.smallest_cuts(), [[1], [2]]);
        assert_eq!(chain.diameter(), 3);
        assert_eq!(chain.hops(0, &[]), [Some(0), Some(1), Some(2), Some(3)]);
        assert_eq!(chain.hops(0, &[2]), [Some(0), Some(1), None, None]);
        assert_eq!(chain.hops(2, &[2]), [None; 4]);
    }
}
