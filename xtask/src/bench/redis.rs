//! The row of redis-server under redis-benchmark. The server is started here and ended by its number.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::instrument::{Instrument, path_of};
use super::process::Running;
use super::workload::Workload;
use super::workshop::{Workshop, words};

/// Requests of a real server, under load from 20 clients.
pub(super) const REDIS: Workload = Workload {
    title: "redis-server under redis-benchmark (get, set; 20 clients)",
    unit: "requests/s",
    rounds: 13,
    suffers: true,
    measure,
};

/// The same beside who watches the machine.
pub(super) const REDIS_WATCHED: Workload =
    Workload { title: "redis-server under redis-benchmark (get, set; 20 clients), nothing refused", ..REDIS };

const REQUESTS: u32 = 100_000;
/// No disk, no network: a socket of its own in the scratch directory.
const CONFIGURATION: &str =
    "port 0\nunixsocket ./redis.sock\npidfile ./redis.pid\ndaemonize no\nsave \"\"\nappendonly no\n";
/// An instrument may take a while to start what it runs.
const START: Duration = Duration::from_secs(30);

fn measure(workshop: &Workshop, instrument: Instrument) -> anyhow::Result<f64> {
    let (server, benchmark) = (path_of("redis-server")?, path_of("redis-benchmark")?);
    let directory = workshop.directory();
    for file in ["redis.sock", "redis.pid"] {
        // Of the last round, if at all.
        std::fs::remove_file(directory.join(file)).unwrap_or_default();
    }
    std::fs::write(directory.join("redis.conf"), CONFIGURATION).context("write redis.conf")?;
    // Should we be killed, the server ends by itself.
    let mut argv = words(&[&path_of("timeout")?, "--foreground", "300"]);
    argv.extend(workshop.pinned(&[&server, "./redis.conf"]));
    let running = workshop.start("redis", &instrument.wrap(workshop, argv))?;
    answers(&directory.join("redis.sock"))?;
    let requests = workshop.amount(REQUESTS, instrument.is_slow()).to_string();
    let asked = workshop.run(&workshop.pinned_beside(&[
        &benchmark,
        "-s",
        "./redis.sock",
        "-t",
        "get,set",
        "-c",
        "20",
        "-n",
        &requests,
        "--csv",
    ]))?;
    end(running, &directory.join("redis.pid"))?;
    requests_per_second(&asked.output).with_context(|| format!("redis-benchmark said {:?}", asked.output))
}

/// Waits until the server answers.
fn answers(socket: &Path) -> anyhow::Result<()> {
    let started = Instant::now();
    while started.elapsed() < START {
        let asked = UnixStream::connect(socket).and_then(|mut stream| {
            let mut answer = [0; 5];
            stream.set_read_timeout(Some(START))?;
            stream.write_all(b"PING\r\n")?;
            stream.read_exact(&mut answer)?;
            Ok(answer)
        });
        if asked.is_ok_and(|answer| &answer == b"+PONG") {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(10));
    }
    bail!("redis-server did not answer in {} s", START.as_secs())
}

/// Ends the server, by the number that it wrote down itself, and with it the instrument.
fn end(running: Running, file: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(file).context("read the server's PID")?;
    let pid = text.trim().parse().ok().and_then(Pid::from_raw).context("understand the server's PID")?;
    kill_process(pid, Signal::TERM).context("end redis-server")?;
    running.wait().map(drop)
}

/// The rate over both kinds of requests, as many of each: lines like `"SET","65000.00",...`.
fn requests_per_second(csv: &str) -> Option<f64> {
    let rate = |kind: &str| {
        let line = csv.lines().find(|line| line.starts_with(&format!("\"{kind}\"")))?;
        line.split(',').nth(1)?.trim_matches('"').parse::<f64>().ok().filter(|rate| *rate > 0.0)
    };
    Some(2.0 / (1.0 / rate("GET")? + 1.0 / rate("SET")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_both_kinds_together() {
        let csv = "\"test\",\"rps\",\"avg_latency_ms\"\n\"SET\",\"30000.00\",\"0.2\"\n\"GET\",\"60000.00\",\"0.1\"\n";
        // 2 s for 60,000 SET and 1 s for 60,000 GET.
        assert_eq!(requests_per_second(csv).map(f64::round), Some(40_000.0));
        assert_eq!(requests_per_second("\"SET\",\"30000.00\"\n"), None);
        assert_eq!(requests_per_second("\"SET\",\"0.00\"\n\"GET\",\"1.00\"\n"), None);
    }
}
