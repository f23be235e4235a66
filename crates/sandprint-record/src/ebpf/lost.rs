//! What the programs could not do: `enum sp_lost` of `bpf/recorder.h`.

use std::sync::atomic::Ordering;

use super::error::LoadError;
use super::maps::Maps;

/// Something that was lost. Its number is its place in the lost map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
pub(super) enum Lost {
    /// A task could not be followed.
    Admission = 0,
    /// Calls were not counted.
    Calls = 1,
    /// Images were not kept apart.
    Images = 2,
    /// Hints were dropped; what they were about was told later.
    Event = 3,
    /// An `io_uring` instance is not known.
    Rings = 4,
    /// Whether a script was executed is not known.
    Scripts = 5,
    /// Who is in a new cgroup is not followed.
    Cgroups = 6,
    /// Refused calls were not told.
    Refused = 7,
    /// The instructions of a filter were not told.
    Filters = 8,
    /// Failed calls may have begun before the watcher came.
    Unsettled = 9,
    /// A process is not watched.
    Members = 10,
    /// The end of a process was not told.
    Ends = 11,
    /// Errors of calls were not told.
    Results = 12,
    /// What was done to files was not told.
    Files = 13,
    /// What was done with sockets was not told.
    Sockets = 14,
    /// Questions for capabilities were not told.
    Capabilities = 15,
    /// What tells names was not told.
    Names = 16,
}

impl Lost {
    /// How often it was lost so far.
    pub(super) fn count(self, maps: &Maps) -> Result<u64, LoadError> {
        let words = maps.array("lost")?;
        Ok(words.get(self as usize).map_or(0, |word| word.load(Ordering::SeqCst)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `SP_LOST_ADMISSION = 0,` of the header, as (`ADMISSION`, 0).
    fn of_the_header() -> Vec<(String, usize)> {
        let header = include_str!("bpf/recorder.h");
        let lines = header.lines().filter_map(|line| line.trim().strip_prefix("SP_LOST_"));
        let entry = |line: &str| {
            let (name, rest) = line.split_once(" = ")?;
            Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
        };
        lines.filter_map(entry).collect()
    }

    #[test]
    fn the_programs_and_we_mean_the_same() {
        use Lost::{
            Admission, Calls, Capabilities, Cgroups, Ends, Event, Files, Filters, Images, Members, Names,
            Refused, Results, Rings, Scripts, Sockets, Unsettled,
        };
        let ours = [
            Admission,
            Calls,
            Images,
            Event,
            Rings,
            Scripts,
            Cgroups,
            Refused,
            Filters,
            Unsettled,
            Members,
            Ends,
            Results,
            Files,
            Sockets,
            Capabilities,
            Names,
        ];
        let mut ours: Vec<_> = ours.map(|lost| (format!("{lost:?}").to_uppercase(), lost as usize)).to_vec();
        ours.push(("MAX".to_owned(), 32));
        assert_eq!(of_the_header(), ours);
    }
}
