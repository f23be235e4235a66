//! `--help` of every command, word for word; completions and the manual are made from the same words.

use crate::SANDPRINT;
use testkit::ended::Ended;
use testkit::scratch::Scratch;

/// Every command there is.
const COMMANDS: &[&[&str]] = &[
    &[],
    &["profile"],
    &["profile", "run"],
    &["profile", "attach"],
    &["profile", "show"],
    &["profile", "generate"],
    &["profile", "merge"],
    &["profile", "diff"],
    &["profile", "subtract"],
    &["profile", "coverage"],
    &["profile", "import"],
    &["profile", "verify"],
    &["profile", "refine"],
    &["run"],
    &["watch"],
    &["policy"],
    &["policy", "fmt"],
    &["policy", "check"],
    &["policy", "test"],
    &["policy", "diff"],
    &["policy", "import"],
    &["policy", "explain"],
    &["doctor"],
    &["completions"],
    &["man"],
];

#[test]
fn the_help_of_every_command() {
    let scratch = Scratch::of(SANDPRINT);
    for command in COMMANDS.iter().copied() {
        let ended = scratch.run(&[command, &["--help"]].concat());
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{command:?}");
        let too_wide = ended.stdout.lines().find(|line| line.chars().count() > 80);
        assert_eq!(too_wide, None, "{command:?}");
        let name = if command.is_empty() { "sandprint".to_owned() } else { command.join("-") };
        insta::assert_snapshot!(format!("help-{name}"), ended.stdout);
    }
}

#[test]
fn every_leaf_has_examples_and_documents_its_exit_status() {
    let scratch = Scratch::of(SANDPRINT);
    for command in COMMANDS.iter().copied() {
        if command == ["profile"] || command == ["policy"] {
            continue;
        }
        let help = scratch.run(&[command, &["--help"]].concat()).stdout;
        for heading in ["Examples:\n", "Exit status:\n"] {
            assert!(help.contains(heading), "{command:?} has no {heading}");
        }
    }
}

#[test]
fn no_command_is_missing_from_the_lists() {
    let scratch = Scratch::of(SANDPRINT);
    for (parent, skip) in [(&[][..], 0), (&["profile"][..], 1), (&["policy"][..], 1)] {
        let help = scratch.run(&[parent, &["--help"]].concat()).stdout;
        let listed: Vec<&str> = help
            .lines()
            .skip_while(|line| *line != "Commands:")
            .skip(1)
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.split_whitespace().next())
            .filter(|name| *name != "help")
            .collect();
        let expected: Vec<&str> = COMMANDS
            .iter()
            .filter(|command| command.len() == skip + 1 && command.starts_with(parent))
            .map(|command| command[skip])
            .collect();
        assert_eq!(listed, expected);
    }
}

#[test]
fn wrong_usage_is_an_error_with_a_hint_and_status_2() {
    let scratch = Scratch::of(SANDPRINT);
    for arguments in [
        &[][..],
        &["profile"],
        &["nonsense"],
        &["profile", "nonsense"],
        &["profile", "run"],
        &["profile", "run", "--timeout", "1 week", "--", "ls"],
        &["profile", "run", "--append", "--", "ls"],
        &["profile", "run", "-o", "-", "--", "ls"],
        &["profile", "attach"],
        &["profile", "attach", "--pid", "0"],
        &["profile", "attach", "--pid", "1", "--unit", "x"],
        &["profile", "show"],
        &["profile", "show", "a", "b"],
        &["profile", "generate", "-i", "a"],
        &["profile", "generate", "-i", "a", "-f", "nonsense"],
        &["profile", "generate", "-i", "a", "-f", "oci", "--kernel", "new"],
        &["profile", "merge"],
        &["profile", "diff", "a"],
        &["profile", "subtract", "a"],
        &["profile", "coverage"],
        &["profile", "import", "a"],
        &["profile", "refine", "-p", "a", "--", "true"],
        &["run"],
        &["run", "--", "true"],
        &["run", "-p", "policy"],
        &["run", "-p", "policy", "--nonsense", "--", "true"],
        &["watch"],
        &["watch", "--pid", "0"],
        &["watch", "--pid", "1,2"],
        &["watch", "--pid", "1", "--system"],
        &["watch", "--system", "--cgroup", "/"],
        &["watch", "--system", "--format", "nonsense"],
        &["watch", "--system", "--duration", "0"],
        &["watch", "--system", "nonsense"],
        &["completions", "nonsense"],
    ] {
        let ended = scratch.run(arguments);
        assert_eq!((ended.status, ended.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(ended.stderr.starts_with("error: "), "{arguments:?}: {}", ended.stderr);
        let hints = ended.stderr.lines().filter(|line| line.starts_with("hint: ")).count();
        assert_eq!(hints, 1, "{arguments:?}: {}", ended.stderr);
    }
}

#[test]
fn words_of_other_tools_are_answered_with_what_is_meant() {
    let scratch = Scratch::of(SANDPRINT);
    for (line, error, hint) in [
        (
            "record -- ls",
            "unrecognized subcommand 'record'",
            "`sandprint profile run` may be meant; `--help` lists the commands",
        ),
        (
            "show t",
            "unrecognized subcommand 'show'",
            "`sandprint profile show` may be meant; `--help` lists the commands",
        ),
        (
            "generate t",
            "unrecognized subcommand 'generate'",
            "`sandprint profile generate` may be meant; `--help` lists the commands",
        ),
        (
            "import t",
            "unrecognized subcommand 'import'",
            "`sandprint profile import` or `sandprint policy import` may be meant; `--help` lists the commands",
        ),
        (
            "profile fmt t",
            "unrecognized subcommand 'fmt'",
            "`sandprint policy fmt` may be meant; `--help` lists the commands",
        ),
        (
            "profile watch t",
            "unrecognized subcommand 'watch'",
            "`sandprint watch` may be meant; `--help` lists the commands",
        ),
        (
            "profile show --json t",
            "unexpected argument '--json' found",
            "`--format json` prints JSON, where the command has it",
        ),
        (
            "profile merge -v t",
            "unexpected argument '-v' found",
            "`profile show` and `profile generate` have `-v`; other commands always say all",
        ),
        (
            "profile merge -q t",
            "unexpected argument '-q' found",
            "messages go to stderr: `2> /dev/null` hides them",
        ),
        (
            "completions csh",
            "invalid value 'csh' for '<SHELL>'\n  [possible values: bash, elvish, fish, powershell, zsh]",
            "there are scripts for bash, elvish, fish, powershell and zsh; csh, tcsh and others have none",
        ),
    ] {
        let ended = scratch.run(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(ended, Ended::failed(2, error, hint), "{line}");
    }
}

#[test]
fn the_version_is_told() {
    let expected = Ended::printed(&format!("sandprint {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(Scratch::of(SANDPRINT).run(&["--version"]), expected);
}

#[test]
fn completions_name_every_command_and_bash_reads_them() {
    let scratch = Scratch::of(SANDPRINT);
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ended = scratch.run(&["completions", shell]);
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{shell}");
        for command in COMMANDS.iter().filter_map(|command| command.last()) {
            assert!(ended.stdout.contains(command), "{shell} does not know {command}");
        }
    }
    let script = scratch.run(&["completions", "bash"]).stdout;
    scratch.write("completions.bash", script);
    let completed = scratch
        .program(
            "bash",
            &[
                "-c",
                "source completions.bash; COMP_WORDS=(sandprint profile sub); COMP_CWORD=2; \
                 _sandprint sandprint sub profile; echo \"${COMPREPLY[@]}\"",
            ],
        )
        .output()
        .unwrap();
    assert_eq!(Ended::of(&completed), Ended::printed("subtract\n"));
    // Behind `--` stands a command.
    let behind_dashes = scratch
        .program(
            "bash",
            &[
                "-c",
                "source completions.bash; COMP_WORDS=(sandprint run -p x -- timeou); COMP_CWORD=5; \
                 _sandprint_command sandprint timeou --; echo \"${COMPREPLY[@]}\"",
            ],
        )
        .output()
        .unwrap();
    assert_eq!(Ended::of(&behind_dashes), Ended::printed("timeout\n"));
}

#[test]
fn the_manual_has_a_page_for_every_command() {
    let scratch = Scratch::of(SANDPRINT);
    std::fs::create_dir(scratch.path("man1")).unwrap();
    assert_eq!(scratch.run(&["man", "-o", "man1"]), Ended::printed(""));
    let mut written: Vec<String> = std::fs::read_dir(scratch.path("man1"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    written.sort();
    let mut expected = Vec::new();
    for command in COMMANDS.iter().copied() {
        let name = [&["sandprint"], command].concat().join("-");
        let page = scratch.read(&format!("man1/{name}.1"));
        assert_eq!(scratch.run(&[&["man"], command].concat()), Ended::printed(&page), "{name}");
        let headings: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
        assert_eq!(headings[..4], ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS"], "{name}");
        let title = page.lines().find(|line| line.starts_with(".TH "));
        assert!(title.is_some_and(|title| title.starts_with(&format!(".TH {name} 1"))), "{title:?}");
        for child in
            COMMANDS.iter().filter(|child| child.len() == command.len() + 1 && child.starts_with(command))
        {
            let named = [&["sandprint"], *child].concat().join("\\-");
            assert!(page.contains(&format!("\n{named}(1)\n")), "{name} names {named}");
        }
        expected.push(format!("{name}.1"));
    }
    expected.sort();
    assert_eq!(written, expected);
    let unknown = scratch.run(&["man", "profile", "nonsense"]);
    let hint = "`sandprint --help` lists the commands";
    assert_eq!(unknown, Ended::failed(2, "there is no command `profile nonsense`", hint));
}
