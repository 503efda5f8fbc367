//! `syncline completions` and `syncline man`: what shells and manuals are told, from the command line itself.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use super::output::{print, print_json};
use super::{Arguments, Exit, Format};
use crate::run::RunError;

/// Completions for a shell, on standard output.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  syncline completions bash > /usr/share/bash-completion/completions/syncline\n  syncline completions zsh > /usr/share/zsh/vendor-completions/_syncline\n  syncline completions fish > ~/.config/fish/completions/syncline.fish"
)]
pub(super) struct CompletionsArguments {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Manual pages, one for each command.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  syncline man | man -l -                        the first page\n  syncline man --out /usr/share/man/man1         all of them"
)]
pub(super) struct ManArguments {
    /// The folder that gets all pages; without, the first one is printed.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// What the library begins everything with: how an apostrophe is written.
const PREAMBLE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

/// What the first page ends with, by exit code, in the order of the codes.
const EXIT_STATUS: [(&str, &str); 9] = [
    ("0", "Done."),
    ("1", "Done, but some objects have errors (run --strict, preview), nothing was found, or a test failed."),
    ("2", "The command line or the configuration is wrong."),
    ("3", "The rules are wrong, or wait to be accepted."),
    ("4", "A directory could not be used, or an import is not complete."),
    ("5", "The guard stopped the run, or what it was to do is not approved."),
    ("6", "A target waits for go-live."),
    ("7", "The store, or a backup of it, could not be used."),
    ("130", "Interrupted."),
];

const FILES: [(&str, &str); 4] = [
    ("syncline.toml", "The configuration, where --config and SYNCLINE_CONFIG name no other."),
    ("rules/", "The rules, where [rules] folder names no other."),
    ("state/", "The state, where [store] folder names no other: the store, the audit log, lists of the guard."),
    ("/etc/syncline", "The configuration and the rules of the service."),
];

pub(super) fn completions(arguments: &CompletionsArguments) -> Exit {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "syncline", &mut text);
    print(String::from_utf8_lossy(&text).trim_end());
    Exit::Success
}

pub(super) fn man(arguments: &ManArguments, format: Format) -> Result<Exit, RunError> {
    let pages = pages().map_err(|error| RunError::Unknown(format!("the pages cannot be made: {error}")))?;
    let Some(out) = &arguments.out else {
        let first = pages.first().map(|(_, text)| text.as_str()).unwrap_or_default();
        print(first.trim_end());
        return Ok(Exit::Success);
    };
    let written = write(&pages, out)
        .map_err(|error| RunError::Unknown(format!("cannot write manual pages to `{}`: {error}", out.display())))?;
    match format {
        Format::Json => print_json(&written),
        Format::Text => written.iter().for_each(|path| print(&path.display().to_string())),
    }
    Ok(Exit::Success)
}

fn write(pages: &[(String, String)], out: &Path) -> io::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(out)?;
    let one = |(name, text): &(String, String)| {
        let path = out.join(format!("{name}.1"));
        std::fs::write(&path, text).map(|()| path)
    };
    pages.iter().map(one).collect()
}

/// Every page with its name, that of the program first.
fn pages() -> io::Result<Vec<(String, String)>> {
    let mut program = Arguments::command().disable_help_subcommand(true);
    program.build();
    let mut pages = Vec::new();
    gather(&program, None, &mut pages)?;
    Ok(pages)
}

fn gather(command: &Command, above: Option<&str>, pages: &mut Vec<(String, String)>) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    pages.push((name.clone(), page(command, &name, above)?));
    command.get_subcommands().try_for_each(|below| gather(below, Some(&name), pages))
}

/// One page. The library would put examples into a section EXTRA and let them flow.
fn page(command: &Command, name: &str, above: Option<&str>) -> io::Result<String> {
    let man = Man::new(command.clone())
        .title(name.to_uppercase())
        .source(concat!("syncline ", env!("CARGO_PKG_VERSION")))
        .manual("Syncline");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    if let Some(help) = command.get_after_help() {
        examples(&help.to_string(), &mut text)?;
    }
    match above {
        None => table("EXIT STATUS", &EXIT_STATUS, &mut text).and_then(|()| table("FILES", &FILES, &mut text))?,
        Some(above) => {
            let mut roff = Roff::new();
            roff.control("SH", ["SEE ALSO"]);
            roff.text([roman(format!("{above}(1)"))]);
            roff.to_writer(&mut text)?;
        }
    }
    let text = String::from_utf8(text).map_err(io::Error::other)?;
    // Every section comes with it; once is enough.
    let lines = text.replace(PREAMBLE, "").lines().map(|line| line.trim_end().to_owned() + "\n").collect::<String>();
    Ok(format!("{PREAMBLE}{lines}"))
}

/// The examples as they stand, line by line; what follows them is text.
fn examples(help: &str, to: &mut dyn Write) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", ["EXAMPLES"]);
    let lines: Vec<&str> = help.lines().filter(|line| !line.trim().is_empty() && *line != "Examples:").collect();
    for block in lines.chunk_by(|one, other| one.starts_with(' ') == other.starts_with(' ')) {
        let code = block.first().is_some_and(|line| line.starts_with(' '));
        roff.control(if code { "nf" } else { "PP" }, []);
        for line in block {
            roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        }
        if code {
            roff.control("fi", []);
        }
    }
    roff.to_writer(to)
}

fn table(title: &str, rows: &[(&str, &str)], to: &mut dyn Write) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", [title]);
    for (name, text) in rows {
        roff.control("TP", []);
        roff.text([clap_mangen::roff::bold(*name)]);
        roff.text([roman(*text)]);
    }
    roff.to_writer(to)
}

#[cfg(test)]
mod tests {
    use std::process::{Command as Process, Stdio};

    use super::*;

    fn leaves(command: &Command) -> Vec<String> {
        let below: Vec<String> = command.get_subcommands().flat_map(leaves).collect();
        let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
        if below.is_empty() { vec![name] } else { below }
    }

    #[test]
    fn every_command_has_a_page_with_examples() {
        let pages = pages().unwrap();
        let mut program = Arguments::command().disable_help_subcommand(true);
        program.build();
        assert_eq!(pages[0].0, "syncline");
        for name in leaves(&program).iter().map(String::as_str).chain(["syncline"]) {
            let page = &pages.iter().find(|(of, _)| of == name).unwrap_or_else(|| panic!("no page of {name}")).1;
            for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES"] {
                assert!(page.contains(&format!("\n.SH {section}\n")), "{name} has no {section}:\n{page}");
            }
            assert!(page.contains("\\-\\-config"), "{name} does not tell of --config");
            assert!(!page.contains("\n.SH EXTRA"), "{name}");
        }
        for section in ["EXIT STATUS", "FILES"] {
            let (plain, quoted) = (format!("\n.SH {section}\n"), format!("\n.SH \"{section}\"\n"));
            assert!(pages[0].1.contains(&plain) || pages[0].1.contains(&quoted), "{section}:\n{}", pages[0].1);
        }
    }

    #[test]
    fn codes_of_the_page_are_those_of_the_program() {
        let codes = [
            Exit::Success,
            Exit::ObjectErrors,
            Exit::Usage,
            Exit::Rules,
            Exit::Connector,
            Exit::Guard,
            Exit::Staging,
            Exit::Store,
            Exit::Interrupted,
        ];
        assert_eq!(EXIT_STATUS.map(|(code, _)| code.to_owned()), codes.map(|code| (code as u8).to_string()));
    }

    #[test]
    fn completions_of_every_shell_know_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Elvish, Shell::PowerShell] {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "syncline", &mut text);
            let text = String::from_utf8(text).unwrap();
            for command in Arguments::command().get_subcommands() {
                assert!(text.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }

    #[test]
    fn bash_takes_its_completions() {
        let mut text = Vec::new();
        clap_complete::generate(Shell::Bash, &mut Arguments::command(), "syncline", &mut text);
        let bash = Process::new("bash").arg("-n").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut bash = bash.unwrap();
        bash.stdin.take().unwrap().write_all(&text).unwrap();
        let output = bash.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
