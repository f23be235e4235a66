//! The books as a trace: programs with their build ids, calls, uses of files and sockets, and what every recorder that keeps books may miss.

use std::collections::BTreeMap;
use std::sync::Arc;

use sandprint_model::uses::{Lead, joined};
use sandprint_model::{
    ByteString, CallSeen, Count as Seen, FileSeen, FirstSeen, Gap, GapKind, Image, Join as _, Right, Rights,
    RunId, Subject, Trace,
};

use super::uses::Kept;
use super::{Books, Content, FIRST, Key};
use crate::image::BuildId;
use crate::reader::{Answer, Question, Reader};

/// What was found out about the images of books.
#[derive(Debug)]
pub(crate) struct Observed {
    /// By their number in the books, from [`FIRST`] on.
    images: Vec<(ByteString, Option<ByteString>)>,
    reader: Reader,
    /// Whether files give no privileges here that they would give without us.
    withholds: bool,
}

impl Observed {
    pub(crate) fn new(reader: Reader, withholds: bool) -> Observed {
        Observed { images: Vec::new(), reader, withholds }
    }

    /// How many images are known.
    pub(crate) fn seen(&self) -> usize {
        self.images.len()
    }

    /// Has images that are new looked into, for their build ids and what privileges their files give.
    pub(crate) fn look_into(&mut self, fresh: Vec<(usize, super::Image)>) {
        for (id, image) in fresh {
            let super::Image { path, script, mode, file } = image;
            self.images.push((path, script));
            if let Some(file) = file {
                self.reader.ask(number(id), Question::File(file, mode));
            }
        }
    }

    fn answer(&self, id: usize) -> Option<&Answer> {
        self.reader.answer(number(id))
    }

    /// The images, as far as they could be looked into in time.
    fn images(&mut self) -> BTreeMap<usize, Arc<Image>> {
        self.reader.settle();
        let known = (FIRST..).zip(&self.images).map(|(id, (path, script))| {
            let build_id = match self.answer(id).map(|answer| &answer.build_id) {
                Some(BuildId::Known(id)) => Some(id.clone()),
                _ => None,
            };
            (id, Arc::new(Image { path: path.clone(), build_id, script: script.clone() }))
        });
        known.collect()
    }

    /// Adds to `trace` what was called, how it failed, and what it had to do with files and sockets, in `run`, which began
    /// at `started_ns` on `CLOCK_MONOTONIC`.
    pub(crate) fn add(
        &mut self,
        Content { calls, failed, kept }: Content,
        run: &RunId,
        started_ns: u64,
        trace: &mut Trace,
    ) {
        let unknown = Arc::new(Image::default());
        let images = self.images();
        let image_of = |key: Key| images.get(&key.image).map_or_else(|| Arc::clone(&unknown), Arc::clone);
        for (key, value) in calls {
            // A return that may come is known before it has.
            let seen_first = value.calls > 0;
            let first = seen_first.then(|| FirstSeen {
                after_ns: value.first_ns.saturating_sub(started_ns),
                tgid: value.caller.tgid,
                tid: value.caller.tid,
                comm: value.comm,
            });
            let seen = CallSeen { count: value.calls, first, arguments: value.arguments };
            // Two images can be one to the user: a file that was touched between two execs.
            trace.calls.add(Subject::of(&image_of(key)), key.call, *run, seen);
        }
        for ((key, error), count) in failed {
            trace.results.add(Subject::of(&image_of(key)), (key.call, error), *run, Seen(count));
        }
        let Some(mut kept) = kept else { return };
        trace.add_what_follows(*run);
        self.add_interpreters(&mut kept);
        for ((key, flags), count) in kept.flags {
            trace.namespaces.add(Subject::of(&image_of(key)), (key.call, flags), *run, Seen(count));
        }
        let hosts = kept.hosts.names(|_| true, &kept.uses, &mut self.reader);
        hosts.note_gap(run, trace);
        for (image, name) in hosts.names {
            kept.uses.entry(image).or_default().names.insert(name);
        }
        for (image, uses) in kept.uses {
            let subject = Subject::of(&images.get(&image).map_or_else(|| Arc::clone(&unknown), Arc::clone));
            for (path, seen) in uses.files {
                trace.files.add(subject.clone(), path, *run, seen);
            }
            for (socket, outcomes) in uses.sockets {
                trace.sockets.add(subject.clone(), socket, *run, outcomes);
            }
            for name in uses.names {
                trace.names.add(subject.clone(), name, *run, ());
            }
        }
        let found = kept.leads.ends(|_| true, &mut self.reader);
        found.note_gap(run, trace);
        for (image, path, seen) in found.ends {
            let image = images.get(&image).map_or_else(|| Arc::clone(&unknown), Arc::clone);
            trace.files.add(Subject::of(&image), path, *run, seen);
        }
    }

    /// Adds the dynamic loaders of the programs that were executed: the kernel executes them too.
    fn add_interpreters(&self, kept: &mut Kept) {
        for (image, (root, process)) in &kept.executed {
            let Some(interpreter) = self.answer(*image).and_then(|answer| answer.interpreter.as_deref())
            else {
                continue;
            };
            let path = joined(b"", interpreter);
            let seen = FileSeen { succeeded: Rights::from([Right::Execute]), ..FileSeen::default() };
            kept.uses.entry(*image).or_default().files.entry(path.clone()).or_default().join(seen.clone());
            kept.leads.add(*image, *root, *process, Lead { through: path, last: None, seen });
        }
    }

    /// What every recorder that keeps books may miss. After the calls: what was set up is looked up there.
    pub(crate) fn gaps(&self, books: &Books, run: &RunId, trace: &mut Trace) {
        let mut note = |kind, detail: Option<&str>, count| {
            if count > 0 {
                trace.note_gap(Gap { kind, run: *run, detail: detail.map(str::to_owned) }, count);
            }
        };
        note(GapKind::CallsLost, None, books.lost);
        note(GapKind::ResultsLost, None, books.failures_lost);
        if let Some(kept) = &books.kept {
            note(GapKind::FilesLost, None, kept.files_lost);
            note(GapKind::SocketsLost, None, kept.sockets_lost);
            note(GapKind::NamesLost, None, kept.names_lost);
            note(GapKind::ResultsLost, Some("the flags of clone3"), kept.flags_lost);
        }
        note(GapKind::ImagesMerged, None, books.merged);
        note(GapKind::ImageUnreadable, Some("which program made a call"), books.unidentified);
        for (id, (path, _)) in (FIRST..).zip(&self.images) {
            let answer = self.answer(id);
            if answer.is_none_or(|answer| answer.build_id == BuildId::Unreadable) {
                note(GapKind::ImageUnreadable, Some(&format!("the build id of {path}")), 1);
            }
            if self.withholds && answer.is_some_and(|answer| answer.gives_privileges) {
                note(GapKind::PrivilegesWithheld, Some(&path.to_string()), 1);
            }
        }
        note(GapKind::IoUringUnseen, Some("no system call shows them"), books.uring_submits);
        let set_up = trace.syscalls().iter().any(|syscall| syscall.name() == Some("io_uring_setup"));
        if set_up && books.uring_submits == 0 {
            trace.note_gap(Gap { kind: GapKind::IoUringProbe, run: *run, detail: None }, 1);
        }
    }
}

fn number(id: usize) -> u64 {
    u64::try_from(id).unwrap_or(u64::MAX)
}
