//! What reads ring buffers: each by itself, since to add one to another libbpf-rs 0.27 panics, or gives an error that is
//! none, where there is no memory (`RingBufferBuilder::build`).

use std::io;
use std::os::fd::OwnedFd;

use libbpf_rs::{MapCore, RingBuffer, RingBufferBuilder};
use rustix::event::epoll;

use super::error::RecorderError;
use super::sys;

/// Ring buffers that are read in the order in which they were added.
pub(super) struct Rings {
    rings: Vec<RingBuffer<'static>>,
    /// Becomes readable when one of them does.
    epoll: OwnedFd,
}

impl Rings {
    pub(super) fn none() -> Result<Rings, RecorderError> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(host)?;
        Ok(Rings { rings: Vec::new(), epoll })
    }

    /// Adds one, whose records `take` is given.
    pub(super) fn add(
        &mut self,
        map: &dyn MapCore,
        mut take: impl FnMut(&[u8]) + 'static,
    ) -> Result<(), RecorderError> {
        let mut builder = RingBufferBuilder::new();
        let callback = move |bytes: &[u8]| {
            take(bytes);
            0
        };
        builder.add(map, callback).map_err(RecorderError::Ring)?;
        let ring = builder.build().map_err(RecorderError::Ring)?;
        let wakes = sys::duplicate(ring.epoll_fd()).map_err(RecorderError::Host)?;
        let data = epoll::EventData::new_u64(0);
        epoll::add(&self.epoll, &wakes, data, epoll::EventFlags::IN).map_err(host)?;
        // Nobody else has the open file that libbpf's descriptor is of, which keeps it in the epoll.
        self.rings.push(ring);
        Ok(())
    }

    /// Reads what there is.
    pub(super) fn consume(&self) -> Result<(), RecorderError> {
        self.rings.iter().try_for_each(|ring| ring.consume().map_err(RecorderError::Ring))
    }

    /// Becomes readable when there is something to read.
    pub(super) fn fd(&self) -> Result<OwnedFd, RecorderError> {
        self.epoll.try_clone().map_err(RecorderError::Host)
    }
}

fn host(error: rustix::io::Errno) -> RecorderError {
    RecorderError::Host(io::Error::from(error))
}
