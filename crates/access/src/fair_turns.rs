//! Turns at work that few may do at once. Whoever waits stands in a lane, and the lanes are served in rotation: a lane that is
//! long makes its own wait, and costs another one turn.

use std::{collections::VecDeque, net::IpAddr, sync::Arc};

use ahash::AHashMap;
use parking_lot::Mutex;
use sluice_model::AccountId;
use tokio::sync::oneshot;

/// Who waits in one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    /// Operators' commands.
    Operator,
    /// Whoever has proved to be of an account.
    Account(AccountId),
    /// Whoever has not, by its network. Not by what it claims to be: how long it waits would tell who there is.
    Network(IpAddr),
}

/// Hands out the turns.
#[derive(Debug)]
pub(crate) struct Turns(Mutex<Waiting>);

/// A turn; it goes to the next when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn(Arc<Turns>);

/// While a turn is free nobody waits. Bounded by whoever lets in, see `password`.
#[derive(Debug)]
struct Waiting {
    free: usize,
    lanes: AHashMap<Lane, VecDeque<oneshot::Sender<Turn>>>,
    /// Each lane in which somebody waits, once.
    rotation: VecDeque<Lane>,
}

impl Turns {
    /// So many at once.
    pub(crate) fn new(at_once_max: usize) -> Arc<Self> {
        let waiting = Waiting { free: at_once_max, lanes: AHashMap::default(), rotation: VecDeque::new() };
        Arc::new(Self(Mutex::new(waiting)))
    }

    /// A turn, when it is there.
    pub(crate) async fn take(self: &Arc<Self>, lane: Lane) -> Turn {
        let turn = {
            let mut waiting = self.0.lock();
            if waiting.free > 0 {
                waiting.free -= 1;
                return Turn(Arc::clone(self));
            }
            waiting.line_up(lane)
        };
        turn.await.expect("who waits is dropped with the turns alone, which are borrowed here")
    }
}

impl Waiting {
    fn line_up(&mut self, lane: Lane) -> oneshot::Receiver<Turn> {
        let (sender, receiver) = oneshot::channel();
        let line = self.lanes.entry(lane).or_default();
        if line.is_empty() {
            self.rotation.push_back(lane);
        }
        line.push_back(sender);
        receiver
    }

    /// Who gets the turn that is over; it is free when nobody waits.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        while let Some(lane) = self.rotation.pop_front() {
            let Some(line) = self.lanes.get_mut(&lane) else { continue };
            let first = line.pop_front();
            if line.is_empty() {
                self.lanes.remove(&lane);
            } else {
                self.rotation.push_back(lane);
            }
            // Whoever went away meanwhile is passed over.
            if let Some(first) = first.filter(|first| !first.is_closed()) {
                return Some(first);
            }
        }
        self.free += 1;
        None
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = self.0.0.lock().next();
        if let Some(next) = next {
            // Not taken when it went away just now: then the turn comes back, and is dropped here for the one after it.
            drop(next.send(Self(Arc::clone(&self.0))));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    fn lane(n: u64) -> Lane {
        Lane::Account(AccountId::new(AccountId::MIN + n).unwrap())
    }

    // Without a runtime, whose budget would have some of the many polls answer "later".
    #[test]
    fn a_long_lane_costs_another_one_turn_and_who_went_away_none() {
        let turns = Turns::new(1);
        let mut order = Vec::new();
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(at_work) = pin!(turns.take(lane(1))).poll(&mut context) else { panic!("a turn is free") };
        let mut waiting: Vec<_> = (0..900).map(|_| (1, Box::pin(turns.take(lane(1))))).collect();
        waiting.push((2, Box::pin(turns.take(lane(2)))));
        waiting.push((3, Box::pin(turns.take(lane(3)))));
        waiting.push((2, Box::pin(turns.take(lane(2)))));
        for (_, turn) in &mut waiting {
            assert!(turn.as_mut().poll(&mut context).is_pending());
        }
        // The first in the line of 900 goes away, and so does all of a lane.
        waiting.retain(|(lane, _)| *lane != 3);
        drop(waiting.remove(0));
        drop(at_work);
        while !waiting.is_empty() {
            let served = waiting.iter_mut().enumerate().find_map(|(place, (_, turn))| {
                if let Poll::Ready(turn) = turn.as_mut().poll(&mut context) { Some((place, turn)) } else { None }
            });
            let (place, turn) = served.expect("somebody is served while somebody waits");
            order.push(waiting.remove(place).0);
            drop(turn);
        }
        assert_eq!(order.iter().position(|lane| *lane == 2), Some(0));
        assert_eq!(order[..4], [2, 1, 2, 1]);
        assert_eq!(order.len(), 901);
        let again = pin!(turns.take(lane(4)));
        assert!(again.poll(&mut context).is_ready(), "the turn is free again");
    }
}
