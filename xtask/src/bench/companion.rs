//! What watches the machine while a workload runs beside it, and does not start the workload itself.

use anyhow::{Context as _, ensure};

use super::instrument::Instrument;
use super::process::Running;
use super::workshop::{Workshop, words};

/// Something that watches. It is ended by [`Companion::end`], or killed when dropped.
pub(super) enum Companion {
    /// Ends when its input does.
    Floors(Running),
    /// Ends when it is interrupted.
    Watch(Running),
}

impl Companion {
    /// Starts what the instrument has run beside a workload, if anything; returns when it watches.
    pub(super) fn start(workshop: &Workshop, instrument: Instrument) -> anyhow::Result<Option<Companion>> {
        match instrument {
            Instrument::Floors => {
                let mut running = workshop.start("companion", &words(&["./floor", "-x", "./idle"]))?;
                running.first_line()?;
                Ok(Some(Companion::Floors(running)))
            }
            Instrument::Watch => {
                let sandprint = workshop.sandprint.display().to_string();
                let line = words(&[&sandprint, "watch", "--system", "--format", "json"]);
                let mut running = workshop.start("companion", &line)?;
                running.complains_of("watching")?;
                // Whoever watches nothing costs nothing.
                ensure!(
                    running.holds_links(),
                    "`sandprint watch` says that it watches, and holds no BPF link"
                );
                Ok(Some(Companion::Watch(running)))
            }
            _ => Ok(None),
        }
    }

    /// Ends it, which must have lived until now.
    pub(super) fn end(self) -> anyhow::Result<()> {
        match self {
            Companion::Floors(mut running) => {
                running.end_input();
                running.wait().map(drop)
            }
            Companion::Watch(running) => running.interrupt().context("end `sandprint watch`"),
        }
    }
}
