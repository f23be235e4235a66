//! The books as a trace: programs with their build ids, calls, and what every recorder that keeps books may miss.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::sync::Arc;

use sandprint_model::{Fact, FirstSeen, Gap, GapKind, Image, RunId, Seen, Trace};

use super::{Books, Count, Key};
use crate::image::{self, BuildId};

/// What was found out about the images of books.
#[derive(Debug)]
pub(crate) struct Observed {
    images: BTreeMap<usize, Arc<Image>>,
    gaps: BTreeSet<String>,
    /// Whether files give no privileges here that they would give without us.
    withholds: bool,
    withheld: BTreeSet<String>,
}

impl Observed {
    pub(crate) fn new(withholds: bool) -> Observed {
        Observed { images: BTreeMap::new(), gaps: BTreeSet::new(), withholds, withheld: BTreeSet::new() }
    }

    /// How many images are known.
    pub(crate) fn seen(&self) -> usize {
        self.images.len()
    }

    /// Reads the build ids of images that are new, and what privileges their files give. Not under a lock: a file
    /// system may be the workload's own, and wait for an answer.
    pub(crate) fn look_into(&mut self, fresh: Vec<(usize, super::Image)>) {
        for (id, image) in fresh {
            let super::Image { path, script, mode, file } = image;
            let build_id = file.as_ref().map_or(BuildId::Unreadable, |file| {
                let link = format!("/proc/self/fd/{}", file.as_raw_fd());
                if self.withholds && gives_privileges(mode, Path::new(&link)) {
                    self.withheld.insert(path.to_string());
                }
                image::build_id_at(Path::new(&link))
            });
            let build_id = match build_id {
                BuildId::Known(id) => Some(id),
                BuildId::None => None,
                BuildId::Unreadable => {
                    self.gaps.insert(format!("the build id of {path}"));
                    None
                }
            };
            self.images.insert(id, Arc::new(Image { path, build_id, script }));
        }
    }

    /// Adds to `trace` what was called in `run`, which began at `started_ns` on `CLOCK_MONOTONIC`.
    pub(crate) fn add_calls(
        &self,
        calls: HashMap<Key, Count>,
        run: &RunId,
        started_ns: u64,
        trace: &mut Trace,
    ) {
        let unknown = Arc::new(Image::default());
        for (key, value) in calls {
            // A return that may come is known before it has.
            let seen_first = value.calls > 0;
            let image = self.images.get(&key.image).map_or_else(|| Arc::clone(&unknown), Arc::clone);
            let fact = Fact { image, scope: None, syscall: key.call };
            let first = FirstSeen {
                after_ns: value.first_ns.saturating_sub(started_ns),
                tgid: value.caller.tgid,
                tid: value.caller.tid,
                comm: value.comm,
            };
            // Two images can be one to the user: a file that was touched between two execs.
            let before =
                trace.observations.get(&fact).and_then(|runs| runs.get(run)).cloned().unwrap_or_default();
            let first = match (before.first, seen_first) {
                (Some(before), true) => Some(before.min(first)),
                (before, false) => before,
                (None, true) => Some(first),
            };
            let arguments = match (value.arguments, before.arguments) {
                (Some(mut here), Some(before)) => {
                    here.add_all(&before);
                    Some(here)
                }
                (here, before) => here.or(before),
            };
            let count = before.count.saturating_add(value.calls);
            trace.observe(fact, run, Seen { count, first, arguments });
        }
    }

    /// What every recorder that keeps books may miss. After the calls: what was set up is looked up there.
    pub(crate) fn gaps(&self, books: &Books, run: &RunId, trace: &mut Trace) {
        let mut note = |kind, detail: Option<&str>, count| {
            if count > 0 {
                trace.note_gap(Gap { kind, run: run.clone(), detail: detail.map(str::to_owned) }, count);
            }
        };
        note(GapKind::CallsLost, None, books.lost);
        note(GapKind::ImagesMerged, None, books.merged);
        note(GapKind::ImageUnreadable, Some("which program made a call"), books.unidentified);
        for detail in &self.gaps {
            note(GapKind::ImageUnreadable, Some(detail), 1);
        }
        for path in &self.withheld {
            note(GapKind::PrivilegesWithheld, Some(path), 1);
        }
        note(GapKind::IoUringUnseen, Some("no system call shows them"), books.uring_submits);
        let set_up = trace.syscalls().iter().any(|syscall| syscall.name() == Some("io_uring_setup"));
        if set_up && books.uring_submits == 0 {
            trace.note_gap(Gap { kind: GapKind::IoUringProbe, run: run.clone(), detail: None }, 1);
        }
    }
}

/// Whether executing the file at `link` gives privileges: set-user-id or set-group-id bits, or capabilities
/// (capabilities(7)), on a file system that grants them.
fn gives_privileges(mode: u16, link: &Path) -> bool {
    const SET_USER: u16 = 0o4000;
    const SET_GROUP_AND_EXECUTE: u16 = 0o2010;
    let granted = rustix::fs::statvfs(link)
        .is_ok_and(|system| !system.f_flag.contains(rustix::fs::StatVfsMountFlags::NOSUID));
    let bits = mode & SET_USER != 0 || mode & SET_GROUP_AND_EXECUTE == SET_GROUP_AND_EXECUTE;
    granted && (bits || rustix::fs::getxattr(link, "security.capability", &mut [0_u8; 64]).is_ok())
}
