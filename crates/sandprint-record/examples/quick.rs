//! scratch
#![allow(warnings, clippy::all)]
use sandprint_record::{ebpf::*, host::*};
use std::time::{Duration, Instant};
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let t = Instant::now();
    let facts = HostFacts::probe();
    let mut child = std::process::Command::new("sh")
        .arg("-c")
        .arg("kill -STOP $$; exec \"$@\"")
        .arg("sh")
        .args(&args)
        .spawn()
        .unwrap();
    let tasks = std::env::var("BY_TID").ok().map(|_| Tasks::ByTid);
    let mut r =
        Recorder::load(&Options { scope: Scope::Launch, follow_children: true, tasks }, &facts).unwrap();
    eprintln!("loaded {:?} {:?}", t.elapsed(), r.tasks());
    r.expect_launch(child.id()).unwrap();
    r.attach().unwrap();
    eprintln!("attached {:?}", t.elapsed());
    std::thread::sleep(Duration::from_millis(20));
    std::process::Command::new("kill").arg("-CONT").arg(child.id().to_string()).status().unwrap();
    loop {
        std::thread::sleep(Duration::from_millis(5));
        r.events().unwrap();
        let s = r.state().unwrap();
        if s.launched_ns > 0 && s.live == 0 {
            break;
        }
    }
    let t2 = Instant::now();
    let mut trace = sandprint_model::Trace::default();
    let id = fresh_run_id().unwrap();
    let s = r.state().unwrap();
    r.collect(&id, s.launched_ns, &mut trace).unwrap();
    eprintln!("collected {:?} {:?}", t2.elapsed(), s);
    child.wait();
    for (f, runs) in &trace.observations {
        println!(
            "{}\t{}\t{}\t{}\t{}",
            f.image,
            f.syscall.abi,
            f.syscall.nr,
            f.syscall,
            runs.values().map(|s| s.count).sum::<u64>()
        );
    }
    println!("total {} calls, {} unique", trace.totals().values().sum::<u64>(), trace.syscalls().len());
    for (g, n) in &trace.gaps {
        println!("GAP {:?} {n}", g);
    }
}
