//! scratch
#![allow(warnings, clippy::all)]
use sandprint_record::{ebpf::*, host::*, session::*};
use sandprint_sandbox::{foreground::*, launch::*};
use std::time::{Duration, Instant};
struct O;
impl Observer for O {
    fn progress(&mut self, p: Progress) {
        eprintln!("{p:?}");
    }
    fn checkpoint(&mut self, t: sandprint_model::Trace) {
        eprintln!("checkpoint {:?}", t.totals().values().sum::<u64>());
    }
    fn waiting_for_tree(&mut self, live: u64) {
        eprintln!("waiting for {live}");
    }
}
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let tasks = std::env::var("BY_TID").ok().map(|_| Tasks::ByTid);
    let mut fg = Foreground::install().unwrap();
    let secs = |n: &str| std::env::var(n).ok().map(|v| Duration::from_millis(v.parse().unwrap()));
    let plan = Plan {
        timeout: secs("TIMEOUT"),
        duration: secs("DURATION"),
        until_main: std::env::var("UNTIL_MAIN").is_ok(),
        progress_every: secs("PROGRESS"),
        checkpoint_every: secs("CHECKPOINT"),
        ..Plan::default()
    };
    let t = Instant::now();
    let r = if args[0] == "-p" {
        let options = Options {
            scope: Scope::Processes(args[1..].iter().map(|a| a.parse().unwrap()).collect()),
            follow_children: true,
            tasks,
            hooks: None,
        };
        record_running(&options, &plan, &mut fg, &mut O)
    } else {
        let options = Options { scope: Scope::Launch, follow_children: true, tasks, hooks: None };
        record_command(&Launch::new(&args[0], &args[1..]), &options, &plan, &mut fg, &mut O)
    };
    eprintln!("took {:?}", t.elapsed());
    let r = match r {
        Ok(r) => r,
        Err(e) => {
            let mut e: &dyn std::error::Error = &e;
            loop {
                eprintln!("{e}");
                match e.source() {
                    Some(s) => e = s,
                    None => break,
                }
            }
            return;
        }
    };
    for (f, runs) in &r.trace.observations {
        println!(
            "{}\t{}\t{}\t{}\t{}",
            f.image,
            f.syscall.abi,
            f.syscall.nr,
            f.syscall,
            runs.values().map(|s| s.count).sum::<u64>()
        );
    }
    println!(
        "total {} calls, {} unique; {:?} {:?}",
        r.trace.totals().values().sum::<u64>(),
        r.trace.syscalls().len(),
        r.exit,
        r.why
    );
    for (g, n) in &r.trace.gaps {
        println!("GAP {:?} {n}", g);
    }
}
