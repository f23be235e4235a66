//! Version 1 of a serialized policy.
//!
//! Each part of the policy is an object. In that of the system calls a line holds one call with its rules, in the order
//! in which they decide.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::content::{self, ImageRow, Images, Object, Refused, present};
use super::document::{Tool, from_json_error};
use super::layout::Page;
use super::{ContentProblem, DecodeError, Document};
use crate::{
    Abi, Action, CallRules, Comparison, Condition, Image, KernelVersion, Note, Policy, Reason, Rule, Syscall,
    Width,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyDocument<'a> {
    #[serde(rename = "format")]
    _format: Cow<'a, str>,
    #[serde(rename = "version")]
    _version: u32,
    #[serde(rename = "tool")]
    _tool: Object<Tool<'a>>,
    #[serde(default, deserialize_with = "present")]
    kernel: Option<Cow<'a, str>>,
    images: Vec<Object<ImageRow<'a>>>,
    calls: Object<CallsPart<'a>>,
    notes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallsPart<'a> {
    default_action: ActionRow,
    foreign_action: ActionRow,
    rules: Vec<Object<CallRow<'a>>>,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum ActionRow {
    Allow,
    Log,
    Errno(u16),
    Trace(u16),
    Notify,
    Trap,
    KillThread,
    KillProcess,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CallRow<'a> {
    abi: Cow<'a, str>,
    nr: u32,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
    rules: Vec<Object<RuleRow<'a>>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleRow<'a> {
    action: ActionRow,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    conditions: Vec<Object<ConditionRow>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<ReasonRow<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConditionRow {
    arg: u8,
    bits: u8,
    op: Op,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    mask: Option<u64>,
    value: u64,
}

#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Op {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    MaskedEqual,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ReasonRow<'a> {
    Observed(Object<ObservedRow>),
    Baseline(Cow<'a, str>),
    Portability(Object<PortabilityRow<'a>>),
    Runtime(Object<RuntimeRow<'a>>),
    Fallback(Cow<'a, str>),
    ByHand(Cow<'a, str>),
    Decided(Object<DecidedRow<'a>>),
    Imported(Cow<'a, str>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DecidedRow<'a> {
    words: Cow<'a, str>,
    on: Cow<'a, str>,
    by: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ObservedRow {
    count: u64,
    runs: u64,
    images: Vec<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PortabilityRow<'a> {
    of: Object<OfRow<'a>>,
    why: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuntimeRow<'a> {
    runtime: Cow<'a, str>,
    why: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfRow<'a> {
    abi: Cow<'a, str>,
    nr: u32,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
}

pub(super) fn write(policy: &Policy, out: impl Write) -> io::Result<()> {
    let rules = policy.calls.rules.values().flatten();
    let images: BTreeSet<&Image> = rules
        .flat_map(|rule| &rule.reasons)
        .filter_map(|reason| match reason {
            Reason::Observed { images, .. } => Some(images.iter().map(AsRef::as_ref)),
            _ => None,
        })
        .flatten()
        .collect();
    let image_index: BTreeMap<&Image, u32> =
        images.iter().enumerate().map(|(at, image)| (*image, content::index(at))).collect();

    let mut page = Page::begin(Document::Policy, out)?;
    if let Some(kernel) = policy.kernel {
        page.field("kernel", &kernel.to_string())?;
    }
    page.table("images", images.iter().map(|image| ImageRow::of(image)))?;
    page.object("calls", |page| {
        page.field("default_action", &action_row(policy.calls.default_action))?;
        page.field("foreign_action", &action_row(policy.calls.foreign_action))?;
        let rules = policy.calls.rules.iter();
        page.table("rules", rules.map(|(syscall, rules)| call_row(*syscall, rules, &image_index)))
    })?;
    page.table("notes", policy.notes.iter().map(ToString::to_string))?;
    page.end()
}

fn action_row(action: Action) -> ActionRow {
    match action {
        Action::Allow => ActionRow::Allow,
        Action::Log => ActionRow::Log,
        Action::Errno(errno) => ActionRow::Errno(errno),
        Action::Trace(value) => ActionRow::Trace(value),
        Action::Notify => ActionRow::Notify,
        Action::Trap => ActionRow::Trap,
        Action::KillThread => ActionRow::KillThread,
        Action::KillProcess => ActionRow::KillProcess,
    }
}

fn call_row<'a>(syscall: Syscall, rules: &'a [Rule], images: &BTreeMap<&Image, u32>) -> CallRow<'a> {
    CallRow {
        abi: syscall.abi.name().into(),
        nr: syscall.nr,
        name: syscall.name().map(Cow::Borrowed),
        rules: rules.iter().map(|rule| Object(rule_row(rule, images))).collect(),
    }
}

fn rule_row<'a>(rule: &'a Rule, images: &BTreeMap<&Image, u32>) -> RuleRow<'a> {
    RuleRow {
        action: action_row(rule.action),
        conditions: rule.conditions.iter().map(condition_row).map(Object).collect(),
        reasons: rule.reasons.iter().map(|reason| reason_row(reason, images)).collect(),
    }
}

fn condition_row(condition: &Condition) -> ConditionRow {
    let (op, mask, value) = match condition.comparison {
        Comparison::Equal(value) => (Op::Equal, None, value),
        Comparison::NotEqual(value) => (Op::NotEqual, None, value),
        Comparison::Less(value) => (Op::Less, None, value),
        Comparison::LessOrEqual(value) => (Op::LessOrEqual, None, value),
        Comparison::Greater(value) => (Op::Greater, None, value),
        Comparison::GreaterOrEqual(value) => (Op::GreaterOrEqual, None, value),
        Comparison::MaskedEqual { mask, value } => (Op::MaskedEqual, Some(mask), value),
    };
    let bits = match condition.width {
        Width::Bits32 => 32,
        Width::Bits64 => 64,
    };
    ConditionRow { arg: condition.index, bits, op, mask, value }
}

fn reason_row<'a>(reason: &'a Reason, index: &BTreeMap<&Image, u32>) -> ReasonRow<'a> {
    match reason {
        Reason::Observed { count, runs, images } => ReasonRow::Observed(Object(ObservedRow {
            count: *count,
            runs: u64::try_from(*runs).unwrap_or(u64::MAX),
            images: images
                .iter()
                .map(|image| index.get(image.as_ref()).copied().unwrap_or(u32::MAX))
                .collect(),
        })),
        Reason::Baseline(why) => ReasonRow::Baseline(why.into()),
        Reason::Portability { of, why } => {
            let of = OfRow { abi: of.abi.name().into(), nr: of.nr, name: of.name().map(Cow::Borrowed) };
            ReasonRow::Portability(Object(PortabilityRow { of: Object(of), why: why.into() }))
        }
        Reason::Runtime { runtime, why } => {
            ReasonRow::Runtime(Object(RuntimeRow { runtime: runtime.into(), why: why.into() }))
        }
        Reason::Fallback(why) => ReasonRow::Fallback(why.into()),
        Reason::ByHand(words) => ReasonRow::ByHand(words.into()),
        Reason::Decided { words, on, by } => ReasonRow::Decided(Object(DecidedRow {
            words: words.into(),
            on: on.to_string().into(),
            by: by.into(),
        })),
        Reason::Imported(from) => ReasonRow::Imported(from.into()),
    }
}

pub(super) fn decode(bytes: &[u8]) -> Result<Policy, DecodeError> {
    let Object(document): Object<PolicyDocument<'_>> =
        serde_json::from_slice(bytes).map_err(|error| from_json_error(Document::Policy, &error))?;
    policy(document).map_err(|refused| refused.of(Document::Policy))
}

fn policy(document: PolicyDocument<'_>) -> Result<Policy, Refused> {
    let mut images = Images::default();
    for (at, Object(row)) in document.images.into_iter().enumerate() {
        images.take(row).map_err(|refused| refused.of_row("images", at))?;
    }
    let images = images.rows();
    let kernel = document
        .kernel
        .map(|text| content::word("kernel", "kernel release", &text, read_kernel))
        .transpose()?;
    let Object(calls) = document.calls;
    Ok(Policy {
        kernel,
        calls: call_rules(calls, images).map_err(|refused| refused.within("calls"))?,
        notes: document.notes.into_iter().map(Note::Words).collect(),
    })
}

fn call_rules(part: CallsPart<'_>, images: &[Arc<Image>]) -> Result<CallRules, Refused> {
    let mut rules: BTreeMap<Syscall, Vec<Rule>> = BTreeMap::new();
    for (at, Object(row)) in part.rules.into_iter().enumerate() {
        let refused = |refused: Refused| refused.of_row("rules", at);
        let syscall = syscall(&row.abi, row.nr, row.name.as_deref()).map_err(refused)?;
        let mut of_call = Vec::with_capacity(row.rules.len());
        for (at, Object(row)) in row.rules.into_iter().enumerate() {
            let rule = rule(row, images).map_err(|inner| refused(inner.of_row("rules", at)))?;
            of_call.push(rule);
        }
        if of_call.is_empty() {
            return Err(refused(Refused::new("rules", ContentProblem::NoRules)));
        }
        if rules.insert(syscall, of_call).is_some() {
            return Err(refused(Refused::new("", ContentProblem::Repeated)));
        }
    }
    Ok(CallRules {
        default_action: action("default_action", part.default_action)?,
        foreign_action: action("foreign_action", part.foreign_action)?,
        rules,
    })
}

/// A kernel release as it is written here: two numbers and nothing else.
fn read_kernel(text: &str) -> Option<KernelVersion> {
    text.parse::<KernelVersion>().ok().filter(|version| version.to_string() == text)
}

fn syscall(abi: &str, nr: u32, name: Option<&str>) -> Result<Syscall, Refused> {
    content::syscall(content::word("abi", "ABI", abi, Abi::from_name)?, nr, name)
}

fn action(field: &str, row: ActionRow) -> Result<Action, Refused> {
    /// `MAX_ERRNO` of linux/err.h: seccomp cuts a larger errno down to it (`SECCOMP_RET_DATA`, seccomp(2)).
    const MOST: u16 = 4095;
    match row {
        ActionRow::Errno(errno) if errno > MOST => Err(Refused::new(
            field,
            ContentProblem::TooLarge { found: u64::from(errno), most: u64::from(MOST) },
        )),
        ActionRow::Allow => Ok(Action::Allow),
        ActionRow::Log => Ok(Action::Log),
        ActionRow::Errno(errno) => Ok(Action::Errno(errno)),
        ActionRow::Trace(value) => Ok(Action::Trace(value)),
        ActionRow::Notify => Ok(Action::Notify),
        ActionRow::Trap => Ok(Action::Trap),
        ActionRow::KillThread => Ok(Action::KillThread),
        ActionRow::KillProcess => Ok(Action::KillProcess),
    }
}

fn rule(row: RuleRow<'_>, images: &[Arc<Image>]) -> Result<Rule, Refused> {
    let conditions = row.conditions.into_iter().enumerate().map(|(at, Object(row))| {
        condition(&row).map_err(|refused| refused.within(&format!("conditions[{at}]")))
    });
    let conditions = conditions.collect::<Result<_, _>>()?;
    let mut reasons = BTreeSet::new();
    for (at, row) in row.reasons.into_iter().enumerate() {
        let refused = |refused: Refused| refused.within(&format!("reasons[{at}]"));
        if !reasons.insert(reason(row, images).map_err(refused)?) {
            return Err(refused(Refused::new("", ContentProblem::Repeated)));
        }
    }
    Ok(Rule { conditions, action: action("action", row.action)?, reasons })
}

fn condition(row: &ConditionRow) -> Result<Condition, Refused> {
    if row.arg > 5 {
        let problem = ContentProblem::TooLarge { found: u64::from(row.arg), most: 5 };
        return Err(Refused::new("arg", problem));
    }
    let width = match row.bits {
        32 => Width::Bits32,
        64 => Width::Bits64,
        other => {
            let problem = ContentProblem::Word { expected: "width (32 or 64)", found: other.to_string() };
            return Err(Refused::new("bits", problem));
        }
    };
    let value = row.value;
    let comparison = match (row.op, row.mask) {
        (Op::Equal, None) => Comparison::Equal(value),
        (Op::NotEqual, None) => Comparison::NotEqual(value),
        (Op::Less, None) => Comparison::Less(value),
        (Op::LessOrEqual, None) => Comparison::LessOrEqual(value),
        (Op::Greater, None) => Comparison::Greater(value),
        (Op::GreaterOrEqual, None) => Comparison::GreaterOrEqual(value),
        (Op::MaskedEqual, Some(mask)) => Comparison::MaskedEqual { mask, value },
        (Op::MaskedEqual, None) | (_, Some(_)) => {
            return Err(Refused::new("mask", ContentProblem::Mask));
        }
    };
    Ok(Condition { index: row.arg, width, comparison })
}

fn reason(row: ReasonRow<'_>, images: &[Arc<Image>]) -> Result<Reason, Refused> {
    Ok(match row {
        ReasonRow::Observed(Object(row)) => Reason::Observed {
            count: row.count,
            runs: usize::try_from(row.runs).unwrap_or(usize::MAX),
            images: row
                .images
                .into_iter()
                .map(|index| content::row("observed.images", "images", images, index).map(Arc::clone))
                .collect::<Result<_, _>>()?,
        },
        ReasonRow::Baseline(why) => Reason::Baseline(why.into_owned()),
        ReasonRow::Portability(Object(PortabilityRow { of: Object(of), why })) => Reason::Portability {
            of: syscall(&of.abi, of.nr, of.name.as_deref())
                .map_err(|refused| refused.within("portability.of"))?,
            why: why.into_owned(),
        },
        ReasonRow::Runtime(Object(RuntimeRow { runtime, why })) => {
            Reason::Runtime { runtime: runtime.into_owned(), why: why.into_owned() }
        }
        ReasonRow::Fallback(why) => Reason::Fallback(why.into_owned()),
        ReasonRow::ByHand(words) => Reason::ByHand(words.into_owned()),
        ReasonRow::Decided(Object(DecidedRow { words, on, by })) => Reason::Decided {
            words: words.into_owned(),
            on: content::word("decided.on", "day", &on, |text| text.parse().ok())?,
            by: by.into_owned(),
        },
        ReasonRow::Imported(from) => Reason::Imported(from.into_owned()),
    })
}
