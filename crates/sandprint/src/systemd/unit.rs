//! A unit, as its manager describes it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use sandprint_model::ByteString;

use super::SystemdError;
use super::call::show;
use super::path;

/// What is asked for.
const PROPERTIES: [&str; 9] = [
    "Id",
    "LoadState",
    "ActiveState",
    "Result",
    "ControlGroup",
    "Slice",
    "Accept",
    "Triggers",
    "SystemCallFilter",
];

/// A unit that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    /// Its whole name.
    pub(crate) id: String,
    properties: BTreeMap<String, String>,
}

/// Whether a unit runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Footing {
    /// It runs.
    Running,
    /// It is about to run: it starts, or waits to be started again.
    Starting,
    /// It does not.
    Stopped,
    /// It does not, since it failed.
    Failed,
}

impl Unit {
    /// Looks it up; `.service` may be left out.
    pub(crate) fn look_up(name: &str) -> Result<Unit, SystemdError> {
        let shown = || ByteString::from(name).escaped();
        // systemctl takes patterns, options and several words.
        if name.is_empty() || name.contains(['*', '?', '[', '/']) || name.contains(char::is_whitespace) {
            return Err(SystemdError::BadName(format!("`{}`", shown())));
        }
        if name.contains("@.") || name.ends_with('@') {
            return Err(SystemdError::Template(shown()));
        }
        Unit::read(&show(name, &PROPERTIES)?, name)
    }

    /// Reads what systemctl printed of it.
    fn read(printed: &str, name: &str) -> Result<Unit, SystemdError> {
        let properties: BTreeMap<String, String> = printed
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let id = properties.get("Id").filter(|id| !id.is_empty()).map_or(name, String::as_str);
        let shown = ByteString::from(id).escaped();
        match properties.get("LoadState").map(String::as_str) {
            Some("loaded") => Ok(Unit { id: id.to_owned(), properties }),
            Some("not-found") => Err(SystemdError::NoUnit(shown)),
            Some("masked") => Err(SystemdError::Masked(shown)),
            state => {
                Err(SystemdError::NotLoaded { unit: shown, state: state.unwrap_or("no state").to_owned() })
            }
        }
    }

    /// Its name, fit for a terminal.
    pub(crate) fn shown(&self) -> String {
        ByteString::from(self.id.as_str()).escaped()
    }

    fn get(&self, property: &str) -> &str {
        self.properties.get(property).map_or("", String::as_str)
    }

    /// Whether it runs.
    pub(crate) fn footing(&self) -> Footing {
        match self.get("ActiveState") {
            "activating" => Footing::Starting,
            "inactive" | "deactivating" => Footing::Stopped,
            "failed" => Footing::Failed,
            _ => Footing::Running,
        }
    }

    /// How its last run ended, in systemd's word: `exit-code`, `signal`, `timeout`.
    pub(crate) fn result(&self) -> &str {
        self.get("Result")
    }

    /// Whether it has a filter of its own for system calls.
    pub(crate) fn has_filter(&self) -> bool {
        // Nothing that is refused is shown so.
        !matches!(self.get("SystemCallFilter"), "" | "~")
    }

    /// Whether it is a socket, whose connections start a service.
    pub(crate) fn is_socket(&self) -> bool {
        self.id.ends_with(".socket")
    }

    /// The service that its connections are handed to; none for a service, and where each connection gets its own.
    pub(crate) fn triggers(&self) -> Option<&str> {
        let one = self.is_socket() && self.get("Accept") != "yes";
        one.then(|| self.get("Triggers").split(' ').next().unwrap_or_default())
            .filter(|unit| !unit.is_empty())
    }

    /// The cgroup that its programs have or will have, below the mount. For a socket that starts a service for each
    /// connection it is the slice of those.
    pub(crate) fn cgroup(&self) -> Result<PathBuf, SystemdError> {
        if let (true, Some((name, _))) = (self.is_socket(), self.id.rsplit_once('.')) {
            let template = format!("{name}@.service");
            // Any instance tells where all of them will be.
            let instance = Unit::look_up(&format!("{name}@0.service"))?;
            let slice = instance.get("Slice").to_owned();
            if !slice.starts_with("system-") {
                return Err(SystemdError::SharedSlice { unit: template, slice });
            }
            return Ok(manager_root()?.join(path::of_slice(&slice)));
        }
        if !self.id.ends_with(".service") {
            return Err(SystemdError::NoService(self.shown()));
        }
        match self.get("ControlGroup") {
            "" => Ok(manager_root()?.join(path::of_unit(self.get("Slice"), &self.id))),
            path => Ok(below_mount(path)),
        }
    }
}

/// The cgroup below which the manager keeps its units: it may be one itself, in a container.
fn manager_root() -> Result<PathBuf, SystemdError> {
    let printed = show("-.slice", &["ControlGroup"])?;
    Ok(printed
        .lines()
        .find_map(|line| line.strip_prefix("ControlGroup="))
        .map(below_mount)
        .unwrap_or_default())
}

/// A cgroup's path as systemd writes it, below the mount.
fn below_mount(path: &str) -> PathBuf {
    PathBuf::from(path.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOPPED: &str = "Id=nginx.service\nLoadState=loaded\nActiveState=inactive\nResult=success\nControlGroup=\n\
                           Slice=system.slice\nSystemCallFilter=~\n";

    fn read(printed: &str) -> Unit {
        Unit::read(printed, "nginx").unwrap()
    }

    #[test]
    fn a_stopped_unit_is_read() {
        let unit = read(STOPPED);
        assert_eq!((unit.id.as_str(), unit.footing()), ("nginx.service", Footing::Stopped));
        assert!(!unit.has_filter());
        assert!(read(&STOPPED.replace("Filter=~", "Filter=~mount")).has_filter());
    }

    #[test]
    fn a_running_unit_has_the_cgroup_that_it_has() {
        let unit = read(&STOPPED.replace("ControlGroup=", "ControlGroup=/own.slice/nginx.service"));
        assert_eq!(unit.cgroup().unwrap(), PathBuf::from("own.slice/nginx.service"));
    }

    #[test]
    fn a_socket_names_what_it_starts_unless_that_is_one_for_each_connection() {
        let socket = STOPPED.replace("nginx.service", "app.socket");
        let one = read(&format!("{socket}Accept=no\nTriggers=app.service\n"));
        assert_eq!(one.triggers(), Some("app.service"));
        assert_eq!(read(&format!("{socket}Accept=yes\nTriggers=\n")).triggers(), None);
        assert_eq!(read(STOPPED).triggers(), None);
    }

    #[test]
    fn what_cannot_be_started_is_an_error_with_a_hint() {
        for (printed, message) in [
            ("Id=x.service\nLoadState=not-found\n", "there is no unit x.service"),
            ("Id=x.service\nLoadState=masked\n", "the unit x.service is masked"),
            ("Id=x.service\nLoadState=bad-setting\n", "systemd cannot load the unit x.service: bad-setting"),
            ("", "systemd cannot load the unit nginx: no state"),
        ] {
            let error = Unit::read(printed, "nginx").unwrap_err();
            assert_eq!(error.to_string(), message);
            assert!(!error.hint().is_empty());
        }
        let timer = read(&STOPPED.replace("nginx.service", "x.timer")).cgroup().unwrap_err();
        assert_eq!(timer.to_string(), "x.timer is neither a service nor a socket");
        for (name, message) in [
            ("", "`` is no name of a unit"),
            ("ng*", "`ng*` is no name of a unit"),
            ("a b", "`a b` is no name of a unit"),
            ("/etc", "`/etc` is no name of a unit"),
            ("app@.service", "app@.service is a template, which cannot be started"),
        ] {
            assert_eq!(Unit::look_up(name).unwrap_err().to_string(), message);
        }
    }
}
