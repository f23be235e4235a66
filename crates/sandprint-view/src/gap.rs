//! What a recording may have missed, as one sentence.

use sandprint_model::GapKind;

use crate::escape::once;

/// What happened, to what, how often, and in how many of how many runs. A count of 0 is one that is not known.
pub(crate) fn sentence(
    kind: GapKind,
    detail: Option<&str>,
    count: u64,
    runs: Option<(usize, usize)>,
) -> String {
    // Details are escaped where they are made; a trace from elsewhere may hold anything.
    let detail = detail.map(once);
    let times = (count > 1).then(|| format!("{count} times"));
    let runs = runs.map(|(with, all)| format!("in {with} of {all} runs"));
    let remarks: Vec<String> = [detail, times, runs].into_iter().flatten().collect();
    if remarks.is_empty() {
        kind.meaning().to_owned()
    } else {
        format!("{} ({})", kind.meaning(), remarks.join(", "))
    }
}
