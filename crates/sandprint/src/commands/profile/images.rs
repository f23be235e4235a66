//! Which programs of a trace count: `--image` and `--without-image`.

use std::collections::BTreeSet;

use sandprint_model::{ByteString, Image, Note, Trace};
use sandprint_policy::{bystanders, pattern};

use crate::exit::Deciding;
use crate::output;

/// Programs, by patterns.
#[derive(Debug, clap::Args)]
pub(crate) struct ImageArgs {
    /// Count only the calls of these programs: a path or file name, `*` matches anything
    ///
    /// A script matches by its own name and by its interpreter's. `profile show --by image` lists the programs.
    #[arg(long, value_name = "GLOB")]
    image: Vec<String>,

    /// Leave out the calls of these programs, such as a launcher: `runc`, `*/conmon`
    ///
    /// What a launcher calls after it has loaded the filter is still needed: `--runtime` allows it.
    #[arg(long, value_name = "GLOB")]
    without_image: Vec<String>,
}

impl ImageArgs {
    /// The calls of the programs that count, and a note of those that were left out.
    pub(crate) fn of(&self, trace: Trace) -> Result<(Trace, Option<Note>), Deciding> {
        if self.image.is_empty() && self.without_image.is_empty() {
            return Ok((trace, None));
        }
        let images = trace.images();
        let is_unknown = |glob: &&String| !images.iter().any(|image| is_match(glob, image));
        for glob in self.without_image.iter().filter(is_unknown) {
            output::note(&format!(
                "no program of the recording is called `{glob}`, which was to be left out"
            ));
        }
        if let Some(glob) = self.image.iter().find(is_unknown) {
            let paths: Vec<String> = images.iter().map(|image| path(image)).collect();
            return Err(Deciding::usage(
                format!("no program of the recording is called `{glob}`"),
                format!("it holds calls of {}", paths.join(", ")),
            ));
        }
        let own_path = |image: &Image| image.script.clone().unwrap_or_else(|| image.path.clone());
        let left: BTreeSet<ByteString> =
            images.iter().filter(|image| !self.counts(image)).map(|image| own_path(image)).collect();
        let rest = trace.of_images(|image| self.counts(image));
        Ok((rest, (!left.is_empty()).then_some(Note::ProgramsLeftOut(left))))
    }

    fn counts(&self, image: &Image) -> bool {
        let any = |globs: &[String]| globs.iter().any(|glob| is_match(glob, image));
        (self.image.is_empty() || any(&self.image)) && !any(&self.without_image)
    }

    /// Warns of launchers whose calls are among those of the workload, unless the programs were named that count.
    pub(crate) fn warn_of_launchers(&self, trace: &Trace) {
        if let Some(words) = launchers(trace).filter(|_| self.image.is_empty()) {
            output::warn(&words);
        }
    }
}

/// In words, where a trace has launchers.
fn launchers(trace: &Trace) -> Option<String> {
    let mut named = BTreeSet::new();
    let mut options = BTreeSet::new();
    for image in trace.images() {
        if let Some(what) = bystanders::launcher(&image) {
            named.insert(format!("{} ({what})", path(&image)));
            let name = String::from_utf8_lossy(file_name(image.path.as_bytes())).into_owned();
            let glob = if path(&image).contains("memfd:") { "*memfd:*".to_owned() } else { name };
            options.insert(format!("--without-image {}", quote_glob(&glob)));
        }
    }
    let join = |words: BTreeSet<String>, between| words.into_iter().collect::<Vec<_>>().join(between);
    (!named.is_empty()).then(|| {
        format!(
            "the recording holds calls of programs that start others: {}; where they are not what is confined, `{}` \
             leaves their calls out",
            join(named, ", "),
            join(options, " ")
        )
    })
}

fn quote_glob(glob: &str) -> String {
    if glob.contains('*') { format!("'{glob}'") } else { glob.to_owned() }
}

fn path(image: &Image) -> String {
    match (&image.script, image.path.as_bytes()) {
        (Some(script), _) => script.to_string(),
        (None, b"") => "an unknown program".to_owned(),
        (None, _) => image.path.to_string(),
    }
}

fn file_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// Whether a program, or its script, has a path or, where the pattern has no slash, a name like that.
fn is_match(glob: &str, image: &Image) -> bool {
    let paths = [Some(&image.path), image.script.as_ref()];
    paths.into_iter().flatten().any(|path| {
        let whole = path.as_bytes();
        let is_named = !glob.contains('/') && pattern::matches(glob.as_bytes(), file_name(whole));
        is_named || pattern::matches(glob.as_bytes(), whole)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sandprint_model::{Abi, ByteString, CallSeen, RunId, Subject, Syscall};

    use super::*;

    fn image(path: &str, script: Option<&str>) -> Image {
        let bytes = |text: &str| ByteString::new(text.as_bytes());
        Image { path: bytes(path), build_id: None, script: script.map(bytes) }
    }

    fn trace(calls: &[(Image, &str)]) -> Trace {
        let mut trace = Trace::default();
        for (image, name) in calls {
            let syscall = Syscall::from_name(Abi::X86_64, name).unwrap();
            trace.calls.join(
                Subject::of(&Arc::new(image.clone())),
                syscall,
                RunId::from_bits(1),
                CallSeen::times(1),
            );
        }
        trace
    }

    fn of_container() -> Trace {
        trace(&[
            (image("/usr/bin/runc", None), "mount"),
            (image("/memfd:runc_cloned:/proc/self/exe (deleted)", None), "pivot_root"),
            (image("/usr/bin/containerd-shim-runc-v2", None), "clone3"),
            (image("/bin/app", None), "read"),
            (image("/usr/bin/python3.11", Some("/srv/job.py")), "write"),
        ])
    }

    fn names(image: &[&str], without_image: &[&str]) -> Vec<String> {
        let owned = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect();
        let args = ImageArgs { image: owned(image), without_image: owned(without_image) };
        let (trace, _) = args.of(of_container()).unwrap();
        let mut names: Vec<_> = trace.syscalls().iter().map(ToString::to_string).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn programs_are_kept_and_left_out_by_paths_names_and_scripts() {
        for (image, without, expected) in [
            (&[][..], &[][..], &["clone3", "mount", "pivot_root", "read", "write"][..]),
            (&["/bin/app"], &[], &["read"]),
            (&["app"], &[], &["read"]),
            (&["job.py"], &[], &["write"]),
            (&["/usr/bin/*"], &[], &["clone3", "mount", "write"]),
            (&["/usr/bin/*"], &["runc"], &["clone3", "write"]),
            (&[], &["runc", "containerd-shim*", "*memfd:*"], &["read", "write"]),
            (&["app", "python3*"], &[], &["read", "write"]),
        ] {
            assert_eq!(names(image, without), expected, "{image:?} without {without:?}");
        }
    }

    #[test]
    fn a_pattern_that_no_program_has_is_an_error_with_those_that_there_are() {
        let args = ImageArgs { image: vec!["ap".to_owned()], without_image: Vec::new() };
        let error = args.of(trace(&[(image("/bin/app", None), "read")])).unwrap_err();
        assert_eq!(error.message, "no program of the recording is called `ap`");
        assert_eq!(error.hint, "it holds calls of /bin/app");
    }

    #[test]
    fn launchers_are_told_with_the_options_that_leave_them_out() {
        assert_eq!(
            launchers(&of_container()).unwrap(),
            "the recording holds calls of programs that start others: /memfd:runc_cloned:/proc/self/exe (deleted) \
             (runc, as the sealed copy of itself that it runs from), /usr/bin/containerd-shim-runc-v2 (containerd's \
             parent of a container), /usr/bin/runc (runc, of Docker, containerd and others); where they are not what \
             is confined, `--without-image '*memfd:*' --without-image containerd-shim-runc-v2 --without-image runc` \
             leaves their calls out"
        );
        assert_eq!(launchers(&trace(&[(image("/bin/app", None), "read")])), None);
    }
}
