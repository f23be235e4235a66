//! Everything that a child needs, made before it exists: after the fork it may not allocate.

use std::ffi::{CStr, CString, OsStr, OsString, c_char};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;
use std::ptr;
use std::sync::Arc;

use super::{Launch, LaunchError};
use crate::confine::Confinement;
use crate::inherited::{self, Inherited, Limit};
use crate::notify::Filter;
use crate::signals::SignalSet;
use crate::user::User;

/// What the child will do, in the form in which the system calls want it.
pub(super) struct Plan {
    pub(super) limits: Vec<(u32, Limit)>,
    /// `None` to stay who we are.
    pub(super) user: Option<User>,
    /// Where the program may be, in the order of preference.
    pub(super) candidates: Vec<CString>,
    pub(super) arguments: StringList,
    pub(super) environment: StringList,
    /// The signals to ignore; all others get their default action.
    pub(super) ignored: SignalSet,
    /// The signals to block.
    pub(super) blocked: SignalSet,
    /// What to have as standard input, if not ours.
    pub(super) stdin: Option<Arc<OwnedFd>>,
    /// The standard descriptors to close.
    pub(super) closed: Vec<i32>,
    /// What to take on just before the execve.
    pub(super) confinement: Option<Confinement>,
    /// Who may trace the child, though it is none above it.
    pub(super) tracer: Option<u32>,
    /// What reports its calls.
    pub(super) filter: Option<Filter>,
}

impl Plan {
    /// The candidate of that number.
    pub(super) fn path(&self, number: u32) -> Option<PathBuf> {
        let candidate = self.candidates.get(usize::try_from(number).ok()?)?;
        Some(PathBuf::from(OsStr::from_bytes(candidate.as_bytes())))
    }
}

/// Strings with the list of their addresses, ended by null, as execve wants them.
pub(super) struct StringList {
    pointers: Vec<*const c_char>,
    /// What the addresses lead to: moving the strings does not move their text.
    _strings: Vec<CString>,
}

impl StringList {
    fn new(strings: Vec<CString>) -> StringList {
        let pointers = strings.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect();
        StringList { pointers, _strings: strings }
    }

    /// The list's address, good for as long as this lives.
    pub(super) fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
}

pub(super) fn plan(launch: &Launch) -> Result<Plan, LaunchError> {
    let inherited = Inherited::get();
    let name = launch.argv0.as_ref().unwrap_or(&launch.program);
    let mut arguments = vec![c_string("the argument", name)?];
    for argument in &launch.arguments {
        arguments.push(c_string("the argument", argument)?);
    }

    let mut environment = inherited::environment();
    let users = launch.user.iter().flat_map(User::variables);
    for (name, value) in users.chain(launch.variables.iter().cloned()) {
        set_variable(&mut environment, &name, value.as_deref())?;
    }

    let search_path = std::env::var_os("PATH");
    let candidates = candidates(&launch.program, search_path.as_deref())
        .iter()
        .map(|path| c_string("the program", path))
        .collect::<Result<_, _>>()?;

    Ok(Plan {
        limits: inherited.changed_limits(),
        user: launch.user.clone().filter(|user| !user.is_current()),
        candidates,
        arguments: StringList::new(arguments),
        environment: StringList::new(environment),
        ignored: inherited.ignored,
        blocked: inherited.blocked,
        filter: launch
            .notified
            .as_ref()
            .map(Filter::new)
            .transpose()
            .map_err(|source| LaunchError::Filter { source })?,
        stdin: launch.stdin.clone(),
        closed: (0..).zip(inherited.closed).filter(|&(_, closed)| closed).map(|(fd, _)| fd).collect(),
        confinement: launch.confinement.clone(),
        tracer: launch.tracer,
    })
}

/// The files that `program` may mean, as execvp(3) has it: itself if it has a slash, otherwise one in each
/// directory of the search path, where an empty entry means the working directory.
fn candidates(program: &OsStr, search_path: Option<&OsStr>) -> Vec<OsString> {
    let name = program.as_bytes();
    if name.is_empty() || name.contains(&b'/') {
        return vec![program.to_owned()];
    }
    // What glibc's execvp takes when there is no PATH (confstr(3), _CS_PATH).
    let search_path = search_path.unwrap_or(OsStr::new("/bin:/usr/bin"));
    let in_directory = |directory: &[u8]| {
        let separator: &[u8] = if directory.is_empty() { b"" } else { b"/" };
        OsString::from_vec([directory, separator, name].concat())
    };
    search_path.as_bytes().split(|&byte| byte == b':').map(in_directory).collect()
}

/// Removes every entry for `name`; the new one takes the place of the first.
fn set_variable(
    environment: &mut Vec<CString>,
    name: &OsStr,
    value: Option<&OsStr>,
) -> Result<(), LaunchError> {
    let is_it =
        |entry: &CStr| entry.to_bytes().strip_prefix(name.as_bytes()).is_some_and(|r| r.starts_with(b"="));
    let place = environment.iter().position(|entry| is_it(entry)).unwrap_or(environment.len());
    environment.retain(|entry| !is_it(entry));
    if let Some(value) = value {
        let entry = [name.as_bytes(), b"=", value.as_bytes()].concat();
        environment.insert(place, c_string("the variable", &OsString::from_vec(entry))?);
    }
    Ok(())
}

fn c_string(what: &'static str, text: &OsStr) -> Result<CString, LaunchError> {
    CString::new(text.as_bytes()).map_err(|_nul| LaunchError::Nul { what, text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_those_of_execvp() {
        let cases: [(&str, Option<&str>, &[&str]); 9] = [
            ("ls", Some("/bin:/usr/bin"), &["/bin/ls", "/usr/bin/ls"]),
            ("ls", None, &["/bin/ls", "/usr/bin/ls"]),
            ("ls", Some(""), &["ls"]),
            ("ls", Some(":/bin"), &["ls", "/bin/ls"]),
            ("ls", Some("/bin:"), &["/bin/ls", "ls"]),
            ("ls", Some("/a::b/"), &["/a/ls", "ls", "b//ls"]),
            ("./ls", Some("/bin"), &["./ls"]),
            ("a/b", Some("/bin"), &["a/b"]),
            ("", Some("/bin"), &[""]),
        ];
        for (program, path, expected) in cases {
            assert_eq!(candidates(program.as_ref(), path.map(OsStr::new)), expected, "{program} in {path:?}");
        }
    }

    #[test]
    fn a_variable_replaces_all_entries_of_its_name_and_no_other() {
        let before = ["A=1", "AB=2", "odd", "A=3", "=A=4", "A"];
        let cases: [(&str, Option<&str>, &[&str]); 5] = [
            ("A", Some("new"), &["A=new", "AB=2", "odd", "=A=4", "A"]),
            ("A", None, &["AB=2", "odd", "=A=4", "A"]),
            ("AB", Some(""), &["A=1", "AB=", "odd", "A=3", "=A=4", "A"]),
            ("C", Some("x=y"), &["A=1", "AB=2", "odd", "A=3", "=A=4", "A", "C=x=y"]),
            ("C", None, &before),
        ];
        for (name, value, expected) in cases {
            let mut environment: Vec<CString> = before.map(|entry| CString::new(entry).unwrap()).into();
            set_variable(&mut environment, name.as_ref(), value.map(OsStr::new)).unwrap();
            let after: Vec<&str> = environment.iter().map(|entry| entry.to_str().unwrap()).collect();
            assert_eq!(after, expected, "{name}={value:?}");
        }
    }
}
