//! Background work, named.

use std::fmt;

/// The closed list of what Sluice does of its own accord; `store` takes one where no caller is there to be asked, and
/// logs it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SystemTask {
    /// Opens the first account and instance on an empty data folder.
    FirstStart,
    /// `sluice account …`, given by whoever holds the data folder.
    OperatorCommand,
    /// Opens, ends and counts console sessions and failed sign-ins.
    ConsoleSessions,
    /// Ends sessions and what they left behind when their time is over.
    SessionEnd,
    /// Adds up what is used, and forgets it when it is old.
    Usage,
    /// Knows which master key is in use, and seals everything anew under another.
    MasterKey,
    /// Keeps what was decided, for the answer to "why?", and forgets it when it is old.
    Decisions,
}

impl SystemTask {
    /// The name in logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FirstStart => "first-start",
            Self::OperatorCommand => "operator-command",
            Self::ConsoleSessions => "console-sessions",
            Self::SessionEnd => "session-end",
            Self::Usage => "usage",
            Self::MasterKey => "master-key",
            Self::Decisions => "decisions",
        }
    }
}

impl fmt::Display for SystemTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
