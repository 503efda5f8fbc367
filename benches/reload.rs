//! Rules that are saved: what it costs to compile a hundred of them, and the set after one of them was edited. Times depend
//! on the machine, so they are told in units of what Rhai needs to parse the same text: `cargo bench --bench reload`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench fails like a test, and talks")]

use std::time::{Duration, Instant};

use syncline::diagnostic::SourceText;
use syncline::rules::{RuleSet, vocabulary};

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A rule of ninety lines, without its flows.
const BEFORE: &str = r#"//! In: people of a company, one line for each attribute.

const rule = #{
    from: "ad/user",
    to: "metaverse/person",
    precedence: 100,
    trim: ["sn", "givenName", "title", #{ city: "l", country: "co", employeeId: "employeeID" }],
};

/// Everybody who is on the payroll.
fn scope(user) {
    let account = user.sAMAccountName;

    is_present(account)
        && !starts_with(account, "svc-")
        && user.department != "Hidden"
        && !has_flag(user.userAccountControl, 2)
}

fn join(user) { [#{ employeeId: user.employeeID }, #{ mail: user.mail, surname: user.sn }] }

fn flow(user) {
    let mail = lower(trim(user.mail));
    let name = full(user.givenName, user.sn);

    #{
"#;
const FLOWS: [&str; 6] = [
    "        a{n}: trim(user.extensionAttribute{n}),\n",
    "        b{n}: if user.extensionAttribute{n} == () { user.company } else { upper(user.extensionAttribute{n}) },\n",
    "        c{n}: join([user.department, left(user.extensionAttribute{n}, 64)], \" - \"),\n",
    "        // Some have a number, and some a name.\n        d{n}: user.extensionAttribute{n} ?? name,\n",
    "        e{n}: switch lower(user.co) { \"germany\" => \"DE\", \"france\" => \"FR\", _ => user.c },\n",
    "        f{n}: is_present(mail) && contains(mail, \"@{n}.\"),\n",
];
const AFTER: &str = "    }
}

private fn full(given, surname) {
    if given == () { surname } else { given + \" \" + surname }
}
";
const RULES: usize = 100;
const ROUNDS: usize = 50;

fn main() {
    let rounds = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(ROUNDS);
    let files = files("");
    let lines: usize = files.iter().map(|file| file.text.lines().count()).sum();
    println!("{RULES} rules, {lines} lines, {rounds} rounds");
    let engine = vocabulary::engine();
    let (mut parsed, mut all, mut one) = (Vec::new(), Vec::new(), Vec::new());
    let mut last = compile(files, None);
    for round in 0..rounds {
        let edited = self::files(&format!("// {round}\n"));
        parsed.push(time(|| edited.iter().for_each(|file| drop(engine.compile(&file.text).unwrap()))));
        let mut single = edited.clone();
        all.push(time(|| last = compile(edited, Some(&last))));
        single[0].text += "// edited\n";
        one.push(time(|| drop(compile(single, Some(&last)))));
    }
    let (parsed, all, one) = (median(parsed), median(all), median(one));
    let ratio = |time: Duration| time.as_secs_f64() / parsed.as_secs_f64();
    println!("Rhai parses them in      {parsed:?} at the median");
    println!("all of them were edited: {all:?}, {:.2} times as long", ratio(all));
    println!("one of them was edited:  {one:?}, {:.2} times as long", ratio(one));
}

fn files(end: &str) -> Vec<SourceText> {
    let flow = |number: usize| FLOWS[number % FLOWS.len()].replace("{n}", &(number / FLOWS.len() + 1).to_string());
    let text = format!("{BEFORE}{}{AFTER}{end}", (0..49).map(flow).collect::<String>());
    (0..RULES).map(|n| SourceText { path: format!("rules/rule-{n}.rhai").into(), text: text.clone() }).collect()
}

fn compile(files: Vec<SourceText>, last: Option<&RuleSet>) -> RuleSet {
    RuleSet::recompile(files, std::collections::BTreeMap::new(), last).unwrap().0
}

fn time(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
