//! What a policy says of a refused call, and the lines that would make it allow the call.

use std::collections::{BTreeMap, BTreeSet};
use std::time::UNIX_EPOCH;

use sandprint_model::wire::PolicyFile;
use sandprint_model::{Action, CallRules, Date, Policy, Reason, Rule};
use sandprint_policy::enforce;
use sandprint_trial::watch::Seen;

use crate::policy_source::PolicySource;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Suggestion {
    /// The policy's name, for messages.
    pub(super) policy: String,
    pub(super) says: Says,
    /// What the policy does with the call.
    pub(super) action: Action,
    /// The rule that decides: file, line and column.
    pub(super) at: Option<String>,
    /// A rule in the form of the policy file; none where the policy allows the call already.
    pub(super) lines: Option<String>,
}

/// How the policy stands to the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// It allows the call: the process runs under another profile than this.
    Allows,
    /// A rule of it refuses the call; one that allows it would have to stand before that.
    Refuses,
    /// No rule matches the call.
    Lacks,
}

impl Says {
    pub(super) fn name(self) -> &'static str {
        match self {
            Says::Allows => "allows",
            Says::Refuses => "refuses",
            Says::Lacks => "lacks",
        }
    }
}

/// What the policy says.
pub(super) fn suggest(source: &PolicySource, seen: &Seen) -> Suggestion {
    let call = &seen.refused.call;
    let policy = source.policy();
    let action = policy.calls.decide(call);
    let rule = policy.calls.deciding_rule(call);
    let says = match rule {
        _ if enforce::runs(action) => Says::Allows,
        Some(_) => Says::Refuses,
        None => Says::Lacks,
    };
    Suggestion {
        policy: source.name.clone(),
        says,
        action,
        at: rule.map(|(place, _)| source.place(call.syscall, place, None)),
        lines: (says != Says::Allows).then(|| lines(seen)),
    }
}

/// The rule as a policy file has it.
fn lines(seen: &Seen) -> String {
    let rule = Rule { reasons: BTreeSet::from([Reason::ByHand(reason(seen))]), ..seen.rule.clone() };
    let policy = Policy {
        kernel: None,
        calls: CallRules {
            default_action: Action::KillProcess,
            foreign_action: Action::KillProcess,
            rules: BTreeMap::from([(seen.refused.call.syscall, vec![rule])]),
        },
        notes: BTreeSet::new(),
    };
    let text = PolicyFile::new(policy).write();
    // What stands before the first rule is about a whole policy.
    text.find("[[").and_then(|at| text.get(at..)).unwrap_or_default().trim_end().to_owned()
}

/// Who made the call and when, in words that stay true: no process numbers, no offsets.
fn reason(seen: &Seen) -> String {
    let since = seen.refused.first.duration_since(UNIX_EPOCH).unwrap_or_default();
    let day = Date::from_unix_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    let image =
        if seen.refused.image.is_empty() { "a program".to_owned() } else { seen.refused.image.escaped() };
    let code = match &seen.location {
        Ok(location) => match &location.function {
            Some(function) => {
                let function = sandprint_model::ByteString::from(function.as_str()).escaped();
                format!(", in {function} of {}", location.code.module.escaped())
            }
            None => format!(", in {}", location.code.module.escaped()),
        },
        Err(_) => String::new(),
    };
    format!("{image} made it{code}, and was refused: seen by sandprint watch on {day}")
}
