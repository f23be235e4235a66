//! By what refused calls can be seen here.

use testkit::expect::skip;

/// Whether this kernel has notifications; says that a test is skipped where it has not.
pub(crate) fn can_notify() -> bool {
    let available = sandprint_sandbox::notify::is_available();
    if !available {
        skip("notify", "this kernel has no seccomp user notification");
    }
    available
}

/// By what refused calls can be seen here; says that tests are skipped for what cannot be had.
pub(crate) fn observers() -> Vec<&'static str> {
    let facts = sandprint_record::host::HostFacts::probe();
    let can_watch = facts.capabilities.can_trace() && facts.btf;
    if !can_watch {
        skip("ebpf", "BPF programs cannot be loaded here");
    }
    can_notify().then_some("notify").into_iter().chain(can_watch.then_some("ebpf")).collect()
}
