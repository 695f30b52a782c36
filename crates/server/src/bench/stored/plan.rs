//! Who hears whom: each publisher has its messages in one session, or in all of them.

use sluice_model::{NameError, TopicFilter, TopicName};

use crate::bench::options::StoredArgs;

/// Publishers and sessions, by number. The connections of publishers are numbered behind the sessions.
pub(super) struct Plan {
    publishers: u32,
    sessions: u32,
    prefix: String,
    is_to_all: bool,
}

impl Plan {
    /// # Errors
    /// The prefix makes no topic.
    pub(super) fn of(args: &StoredArgs) -> Result<Self, NameError> {
        let (publishers, sessions) = (args.publishers, args.sessions);
        let plan = Self { publishers, sessions, prefix: args.topic_prefix.clone(), is_to_all: args.to_all };
        plan.topic(0)?;
        Ok(plan)
    }

    /// Sessions that each message waits in.
    pub(super) fn fan(&self) -> u64 {
        if self.is_to_all { u64::from(self.sessions) } else { 1 }
    }

    /// Where a publisher publishes.
    pub(super) fn topic(&self, publisher: u32) -> Result<TopicName, NameError> {
        self.name(self.session_of(publisher)).parse()
    }

    /// What a session wants.
    pub(super) fn filter(&self, session: u32) -> Result<TopicFilter, NameError> {
        self.name(if self.is_to_all { 0 } else { session }).parse()
    }

    /// Publishers that a session hears: first to one past the last.
    pub(super) fn heard(&self, session: u32) -> std::ops::Range<u32> {
        if self.is_to_all {
            return 0..self.publishers;
        }
        let first_of = |session: u32| {
            let first = (u64::from(session) * u64::from(self.publishers)).div_ceil(u64::from(self.sessions));
            u32::try_from(first).expect("at most the publishers")
        };
        first_of(session)..first_of(session + 1)
    }

    /// Messages of each publisher, where a number was asked for.
    pub(super) fn shares(&self, args: &StoredArgs) -> Vec<u64> {
        let (whole, more) = (args.messages / self.publishers, args.messages % self.publishers);
        (0..self.publishers).map(|publisher| u64::from(whole + u32::from(publisher < more))).collect()
    }

    fn session_of(&self, publisher: u32) -> u32 {
        if self.is_to_all {
            return 0;
        }
        let session = u64::from(publisher) * u64::from(self.sessions) / u64::from(self.publishers);
        u32::try_from(session).expect("below the sessions")
    }

    fn name(&self, number: u32) -> String {
        format!("{}/stored/{number}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_hears_the_publishers_that_publish_where_it_listens() {
        for (publishers, sessions) in [(1, 16), (16, 16), (256, 16), (1000, 7), (5, 3)] {
            let plan = Plan { publishers, sessions, prefix: "bench".to_owned(), is_to_all: false };
            for session in 0..sessions {
                let heard: Vec<u32> = (0..publishers).filter(|one| plan.session_of(*one) == session).collect();
                assert_eq!(heard, plan.heard(session).collect::<Vec<_>>(), "{session} of {sessions}, {publishers}");
            }
        }
    }
}
