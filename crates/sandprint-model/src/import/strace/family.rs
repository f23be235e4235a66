//! How the threads of an strace log begin, and who their parents are.

use super::held::Shares;
use super::thread::{Effect, Ending, Parent, Thread};
use super::{Log, MOST_SEGMENTS};

impl Log {
    /// Makes sure that a thread is known. A new one begins where its parent was when it cloned.
    pub(super) fn meet(&mut self, pid: u32, calls: bool) {
        let is_told = self.children.get(&pid).is_some_and(|parent| !parent.seen);
        match self.threads.get(&pid) {
            Some(thread) if thread.ending != Ending::Seen => return,
            // An id comes again with another thread; a call shows it, any other sign may be of the dead one.
            Some(_) if !is_told && !calls => return,
            // The files of `-ff` have no ids: whoever comes after the end of one is another.
            Some(thread) => self.unexplained += usize::from(thread.unexplained.is_some()),
            None => {}
        }
        let mut parent = match self.children.get_mut(&pid).filter(|parent| !parent.seen) {
            Some(parent) => {
                parent.seen = true;
                Some(Parent { held: parent.held.take(), ..*parent })
            }
            None => self.presumed_parent(),
        };
        let held = parent.as_mut().and_then(|parent| parent.held.take());
        let held = Some(held.unwrap_or_else(|| self.held.unknown()));
        self.let_go(pid);
        let (at, is_new) = self.new_segment(pid);
        if pid == 0 && is_new {
            self.begin_file(at);
        }
        if let Some(parent) = parent
            && is_new
        {
            let tgid = self.segments.get(parent.segment).map(|parent| parent.tgid);
            if let Some(segment) = self.segments.get_mut(at) {
                segment.inherit(parent.segment, at);
                segment.tgid = tgid.filter(|_| parent.is_thread).unwrap_or(pid);
            }
        }
        let thread = Thread {
            segment: at,
            spoken: parent.map_or(self.last_spoken, |parent| parent.spoken),
            pending: None,
            ending: Ending::None,
            left_group: false,
            held,
            unexplained: (!is_told && self.root.is_some()).then_some(at),
        };
        self.threads.insert(pid, thread);
        self.alive.insert(pid);
        self.root.get_or_insert(pid);
    }

    /// The parent of a thread that comes before its clone has returned: the only thread that is cloning.
    fn presumed_parent(&mut self) -> Option<Parent> {
        let only = self.cloning.first().filter(|_| self.cloning.len() == 1)?;
        let thread = self.threads.get(only)?;
        let pending = thread.pending.as_ref()?;
        let Effect::Clone { is_thread, shares } = pending.effect else { return None };
        let held = thread.held.map(|held| self.held.of_child(held, shares));
        Some(Parent { segment: pending.segment, is_thread, spoken: thread.spoken, held, seen: true })
    }

    /// The process of a thread.
    pub(super) fn process_of(&self, pid: u32) -> Option<u32> {
        let thread = self.threads.get(&pid)?;
        self.segments.get(thread.segment).map(|segment| segment.tgid)
    }

    /// A clone has returned: whoever has that id, or will have it, is this child.
    pub(super) fn bear(&mut self, child: u32, mut parent: Parent, shares: Shares) {
        let held = parent.held.take();
        let mut was_unexplained = false;
        let segments = &mut self.segments;
        if let Some(thread) = self.threads.get_mut(&child)
            && let Some(at) = thread.unexplained.take()
        {
            was_unexplained = true;
            parent.seen = true;
            let tgid = segments.get(parent.segment).map(|parent| parent.tgid);
            if let Some(segment) = segments.get_mut(at) {
                segment.inherit(parent.segment, at);
                segment.tgid = tgid.filter(|_| parent.is_thread).unwrap_or(segment.tid);
            }
        }
        let mut begins_with =
            |held| match self.threads.get(&child).filter(|thread| thread.ending == Ending::None) {
                Some(thread) => {
                    if let Some((theirs, held)) = thread.held.zip(held).filter(|_| was_unexplained) {
                        self.held.inherit(theirs, held);
                    }
                    None
                }
                None => held.map(|held| self.held.of_child(held, shares)),
            };
        if self.children.len() < MOST_SEGMENTS {
            parent.held = begins_with(held);
            if let Some(Parent { held: Some(held), .. }) = self.children.insert(child, parent) {
                self.held.release(held);
            }
        }
    }
}
