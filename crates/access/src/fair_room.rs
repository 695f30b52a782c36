//! A bounded room that many share: a holder is let in while it holds less than is still free. One alone gets half of the
//! room, the next one half of the rest. So no one shuts out another; it takes as many who fill it together as the room's size
//! has binary digits.

use std::hash::Hash;

use ahash::AHashMap;

/// The room: how much there is, and who holds what of it. As many entries as there are holders.
#[derive(Debug)]
pub(crate) struct FairRoom<K> {
    free: usize,
    held: AHashMap<K, usize>,
}

impl<K: Hash + Eq + Copy> FairRoom<K> {
    /// A room for so many, all together.
    pub(crate) fn new(most: usize) -> Self {
        Self { free: most, held: AHashMap::default() }
    }

    /// How much more a holder may take at this moment, were it alone to take.
    pub(crate) fn left_to(&self, holder: K) -> usize {
        self.free.saturating_sub(self.held.get(&holder).copied().unwrap_or_default())
    }

    /// Takes a place for a holder; `false`, and nothing is taken, when it holds as much as is free.
    pub(crate) fn take(&mut self, holder: K) -> bool {
        let is_let_in = self.left_to(holder) > 0;
        if is_let_in {
            self.free -= 1;
            *self.held.entry(holder).or_default() += 1;
        }
        is_let_in
    }

    /// Gives a holder's place back.
    pub(crate) fn leave(&mut self, holder: K) {
        if let Some(held) = self.held.get_mut(&holder) {
            self.free += 1;
            *held -= 1;
            if *held == 0 {
                self.held.remove(&holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_alone_gets_half_and_each_newcomer_finds_room() {
        let mut room = FairRoom::new(1_000);
        let fill = |room: &mut FairRoom<u8>, holder| (0..1_000).filter(|_| room.take(holder)).count();
        assert_eq!(fill(&mut room, 0), 500);
        assert_eq!((fill(&mut room, 1), fill(&mut room, 2)), (250, 125));
        assert!(!room.take(0) && !room.take(1) && room.left_to(3) == 125);
        // What one gives back is everybody's.
        (0..500).for_each(|_| room.leave(0));
        assert!(room.take(0) && room.take(1) && room.take(2));
        room.leave(4);
        assert_eq!(room.free + room.held.values().sum::<usize>(), 1_000);
    }
}
