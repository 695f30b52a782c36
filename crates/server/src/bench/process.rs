//! What the server's process has used, from /proc.

use std::{fs, io, time::Duration};

/// Clock ticks a second in /proc/PID/stat: USER_HZ, 100 on every Linux that we build for.
const TICKS_PER_SECOND: u64 = 100;
/// Fields of /proc/PID/stat after the command's closing parenthesis: utime is the 12th, stime follows.
const UTIME_FIELD: usize = 11;

/// A process at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// CPU time of user and kernel, in steps of 10 ms.
    pub(crate) cpu: Duration,
    /// Resident memory.
    pub(crate) rss_kib: u64,
}

/// Reads what a process has used.
///
/// # Errors
/// The process is gone or /proc is not Linux's.
pub(crate) fn usage(pid: u32) -> io::Result<Usage> {
    let strange = || io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid} has an unknown form"));
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let cpu = cpu_of(&stat).ok_or_else(strange)?;
    let rss_kib = rss_of(&status).ok_or_else(strange)?;
    Ok(Usage { cpu, rss_kib })
}

fn cpu_of(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(UTIME_FIELD).map(|field| field.parse::<u64>().ok());
    let ticks = times.next()?? + times.next()??;
    Some(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

fn rss_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_parentheses_does_not_shift_the_fields() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 100 0 0 0 123 45 0 0 20 0 4 0 1 2 3";
        assert_eq!(cpu_of(stat), Some(Duration::from_millis(1680)));
        assert_eq!(rss_of("Name:\tx\nVmRSS:\t   1234 kB\n"), Some(1234));
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        assert!(usage(u32::MAX).is_err());
    }
}
