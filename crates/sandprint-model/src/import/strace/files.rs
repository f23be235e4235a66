//! The files of `strace -ff` one after the other, in whatever order: what each of them is, once all have been read.
//!
//! Such a file has the id of its thread in its name only. But most programs ask for their own id where they start
//! (`set_tid_address`), many children for that of their process, and a clone returns it in the file of the parent. A file
//! without an id is of a child of the one program that has children left, if there is one. The target's file begins with
//! an execve, and no clone made it.

use std::collections::HashSet;
use std::sync::Arc;

use super::Log;
use super::segment::SegmentImage;
use crate::{ByteString, Exit, Image};

/// Most files whose command is kept until it is known which is the target's.
const MOST_COMMANDS: usize = 64;
/// Most generations of processes that are looked through.
const MOST_GENERATIONS: usize = 64;

/// The lines of a thread without an id, up to its end.
#[derive(Debug)]
pub(super) struct File {
    /// Its segments: those of a file follow each other.
    first: usize,
    last: usize,
    /// The thread's id, where the file tells it.
    pub(super) id: Option<u32>,
    /// Its process, where the file tells that.
    pub(super) process: Option<u32>,
    /// Whether its first call has come, and what that executes.
    has_begun: bool,
    executes: Option<Arc<Image>>,
    command: Vec<ByteString>,
    pub(super) exit: Option<Exit>,
}

impl Log {
    /// A thread without an id begins.
    pub(super) fn begin_file(&mut self, segment: usize) {
        self.files.push(File {
            first: segment,
            last: segment,
            id: None,
            process: None,
            has_begun: false,
            executes: None,
            command: Vec::new(),
            exit: None,
        });
    }

    /// The thread without an id makes a call, which may be its first.
    pub(super) fn go_on_in_file(&mut self, exec: Option<super::thread::Exec>) {
        let image = exec.as_ref().map(|exec| self.image(&exec.path));
        let keeps = self.files.len() <= MOST_COMMANDS;
        let Some(file) = self.files.last_mut().filter(|file| !file.has_begun) else { return };
        file.has_begun = true;
        file.executes = image;
        if let Some(exec) = exec.filter(|_| keeps) {
            file.command = exec.arguments;
        }
    }

    /// Whether the thread without an id has made no call so far.
    pub(super) fn begins_file(&self) -> bool {
        self.files.last().is_some_and(|file| !file.has_begun)
    }

    /// The thread without an id goes on in another segment.
    pub(super) fn extend_file(&mut self, segment: usize) {
        if let Some(file) = self.files.last_mut() {
            file.last = segment;
        }
    }

    /// Finds the target and every child's parent among the files, and gives each its program.
    pub(super) fn arrange_files(&mut self) {
        let mut files = std::mem::take(&mut self.files);
        let named: HashSet<u32> = files.iter().filter_map(|file| file.id).collect();
        for file in &mut files {
            // Of a process that has not become another program, each thread runs the same one.
            let is_free = |process: &u32| !named.contains(process) && self.children.contains_key(process);
            file.id = file.id.or(file.process.filter(is_free));
        }
        let root = self.root_of(&files);
        if let Some(file) = root.and_then(|root| files.get(root)) {
            self.begins_with_exec = true;
            self.command.clone_from(&file.command);
            self.root_exit = file.exit;
            // The call that starts the target belongs to the target.
            if let Some((segment, image)) = self.segments.get_mut(file.first).zip(file.executes.clone()) {
                segment.image = SegmentImage::Known(image);
            }
        }
        let is_open = |at: &usize, log: &Log| {
            files.get(*at).is_some_and(|file| log.image_of(file.first).is_none()) && Some(*at) != root
        };
        let mut open: Vec<usize> = (0..files.len()).filter(|at| is_open(at, self)).collect();
        self.name_by_id(&files, &mut open);
        if let Some(image) = self.only_image(&files, &open) {
            for file in open.iter().filter_map(|at| files.get(*at)).filter(|file| file.id.is_none()) {
                self.give_image(file, &image);
            }
            open.retain(|at| is_open(at, self));
            self.name_by_id(&files, &mut open);
        }
    }

    /// The target's file.
    fn root_of(&self, files: &[File]) -> Option<usize> {
        if let [only] = files {
            return only.executes.is_some().then_some(0);
        }
        let candidates = || files.iter().enumerate().filter(|(_, file)| file.executes.is_some());
        let is_made = |file: &File| file.id.is_some_and(|id| self.children.contains_key(&id));
        let parents: HashSet<usize> = self.children.values().map(|parent| parent.segment).collect();
        let has_children = |file: &File| (file.first..=file.last).any(|segment| parents.contains(&segment));
        let known = candidates().find(|(_, file)| file.id.is_some() && !is_made(file));
        let parent = || candidates().find(|(_, file)| file.id.is_none() && has_children(file));
        let other = || candidates().find(|(_, file)| file.id.is_none());
        known.or_else(parent).or_else(other).map(|(at, _)| at)
    }

    /// Gives files whose id is known the program of their parent, generation by generation.
    fn name_by_id(&mut self, files: &[File], open: &mut Vec<usize>) {
        for _ in 0..MOST_GENERATIONS {
            let before = open.len();
            open.retain(|at| {
                let Some(file) = files.get(*at) else { return false };
                let parent = file.id.and_then(|id| self.children.get(&id)).map(|parent| parent.segment);
                let image = parent.and_then(|parent| self.image_of(parent));
                image.as_ref().is_none_or(|image| !self.give_image(file, image))
            });
            if open.len() == before {
                return;
            }
        }
    }

    /// The program of all children that no file names as its own. One whose parent is not placed either has it too.
    fn only_image(&self, files: &[File], open: &[usize]) -> Option<Arc<Image>> {
        let named: HashSet<u32> = files.iter().filter_map(|file| file.id).collect();
        let unnamed: Vec<_> = self.children.iter().filter(|(id, _)| !named.contains(id)).collect();
        let nameless = open.iter().filter_map(|at| files.get(*at)).filter(|file| file.id.is_none()).count();
        let mut images = unnamed.iter().filter_map(|(_, parent)| self.image_of(parent.segment));
        let first = images.next().filter(|_| nameless <= unnamed.len())?;
        images.all(|image| image == first).then_some(first)
    }

    /// Whether the file's first segment is there to be given a program.
    fn give_image(&mut self, file: &File, image: &Arc<Image>) -> bool {
        let Some(segment) = self.segments.get_mut(file.first) else { return false };
        segment.image = SegmentImage::Known(Arc::clone(image));
        true
    }
}
