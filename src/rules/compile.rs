//! Compiles files into a set: tables and libraries first, then every rule by itself, on all processors.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use super::{Rule, RuleSet, Settings, Table, check, footprint, header, host, lint, short_digest, slips, stem, tables};
use crate::diagnostic::{Diagnostic, Severity, SourceText};

/// Fewer rules are not worth a thread.
const SHARE: usize = 16;

/// What can be compiled, and all that is wrong. Rules of the last set whose text is the same, and everything that they may
/// use, are taken over.
pub(super) fn gather(files: Vec<SourceText>, settings: Settings, last: Option<&RuleSet>) -> (RuleSet, Vec<Diagnostic>) {
    let mut set = RuleSet { settings: Arc::new(settings), ..RuleSet::default() };
    let mut sources: Vec<Arc<SourceText>> = files.into_iter().map(Arc::new).collect();
    sources.sort_by(|left, right| left.path.cmp(&right.path));
    set.fingerprint = fingerprint(&sources, &set.settings.values);
    let (files, sources): (Vec<_>, Vec<_>) = sources.into_iter().partition(|source| tables::is_table(&source.path));
    let mut problems = set.take_tables(&files);
    let (libraries, rules): (Vec<_>, Vec<_>) = sources.into_iter().partition(|source| is_library(&source.path));
    problems.extend(set.take_libraries(libraries));
    let engine = host::engine(&set);
    let names: BTreeSet<String> = set.libraries.keys().cloned().collect();
    problems.extend(set.libraries.values().flat_map(|source| check_library(&engine, source, &names)));
    let last = by_file(last.filter(|last| last.surrounds_as(&set)));
    let compiled = side_by_side(&rules, |source| match last.get(source.path.as_os_str()) {
        Some(rules) if rules.iter().all(|rule| rule.source.text == source.text) => {
            Ok(rules.iter().copied().cloned().collect())
        }
        _ => compile_rule(&engine, source, &set, &names).map(|rule| set.settings.stand_in(rule)),
    });
    for rules in compiled {
        match rules {
            Ok(rules) => {
                problems.extend(rules.first().into_iter().flat_map(|rule| rule.findings.iter().cloned()));
                set.rules.extend(rules);
            }
            Err(found) => problems.extend(found),
        }
    }
    problems.extend(duplicate_names(&set.rules));
    // While some do not compile, a name may be one of theirs.
    if !problems.iter().any(|problem| problem.severity == Severity::Error) {
        problems.extend(set.settings.unknown_switches(&set.rules));
    }
    (set.reindexed(), problems)
}

impl RuleSet {
    fn take_tables(&mut self, files: &[Arc<SourceText>]) -> Vec<Diagnostic> {
        let (mut read, mut problems) = (BTreeMap::new(), Vec::new());
        for source in files {
            let name = stem(&source.path);
            match Table::read(source) {
                Ok(table) => {
                    if read.insert(name.clone(), table).is_some() {
                        let problem = Diagnostic::error("E130", format!("there are two tables `{name}`"));
                        problems.push(problem.at(source, 0..0));
                    }
                }
                Err(found) => problems.extend(found),
            }
        }
        let unread = files.iter().map(|source| stem(&source.path)).filter(|name| !read.contains_key(name));
        self.broken_tables = unread.collect();
        self.tables = Arc::new(read);
        problems
    }

    fn take_libraries(&mut self, files: Vec<Arc<SourceText>>) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        for source in files {
            let name = stem(&source.path);
            if name == check::ENTRA {
                let problem = Diagnostic::error("E128", "`entra` is a module that is always there");
                problems.push(problem.at(&source, 0..0).hint("give this file another name"));
            }
            self.libraries.insert(name, source);
        }
        problems
    }

    /// Whether a rule finds the same beside it here and there: helpers, tables, settings.
    fn surrounds_as(&self, other: &RuleSet) -> bool {
        let texts = |set: &RuleSet| set.tables.values().map(|table| Arc::clone(&table.source)).collect::<Vec<_>>();
        texts(self) == texts(other)
            && self.libraries == other.libraries
            && self.settings == other.settings
            && self.broken_tables == other.broken_tables
    }
}

/// The rules of a set by their files: one file may make several.
fn by_file(set: Option<&RuleSet>) -> BTreeMap<&OsStr, Vec<&Rule>> {
    let mut files: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for rule in set.into_iter().flat_map(RuleSet::rules) {
        files.entry(rule.source.path.as_os_str()).or_default().push(rule);
    }
    files
}

/// Asks something about every item, on as many threads as are worth it. The answers come in the order of the items.
fn side_by_side<T: Sync, R: Send>(items: &[T], ask: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut shares = items.chunks(items.len().div_ceil(processors).max(SHARE));
    let answers = |share: &[T]| share.iter().map(&ask).collect::<Vec<R>>();
    let first = shares.next().unwrap_or_default();
    std::thread::scope(|scope| {
        let answers = &answers;
        let threads: Vec<_> = shares.map(|share| scope.spawn(move || answers(share))).collect();
        let mut all = answers(first);
        for thread in threads {
            all.extend(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        all
    })
}

fn check_library(engine: &rhai::Engine, source: &Arc<SourceText>, libraries: &BTreeSet<String>) -> Vec<Diagnostic> {
    match engine.compile(source.text.as_str()) {
        Err(error) => vec![syntax_error(&error, source)],
        Ok(ast) => {
            let mut functions = footprint::functions(&ast);
            functions.iter_mut().for_each(|function| function.public = false);
            check::dialect(&functions, source, libraries)
        }
    }
}

fn compile_rule(
    engine: &rhai::Engine,
    source: &Arc<SourceText>,
    set: &RuleSet,
    libraries: &BTreeSet<String>,
) -> Result<Rule, Vec<Diagnostic>> {
    let ast = engine.compile(source.text.as_str()).map_err(|error| vec![syntax_error(&error, source)])?;
    let functions = footprint::functions(&ast);
    let mut problems = check::dialect(&functions, source, libraries);
    let header = match header::read(&ast, source) {
        Ok(header) => header,
        Err(found) => {
            problems.extend(found);
            return Err(problems);
        }
    };
    problems.extend(lint::functions(&functions, &header, set, source));
    problems.extend(slips::outside(&ast, source));
    problems.extend(functions.iter().flat_map(|function| slips::of(function, source)));
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(problems);
    }
    let has = |name: &str| functions.iter().any(|function| function.public && function.name == name);
    Ok(Rule {
        name: stem(&source.path),
        source: Arc::clone(source),
        footprint: Arc::new(footprint::of(&functions, &header)),
        header,
        muted: BTreeSet::new(),
        index: 0,
        spent: Arc::default(),
        has_scope: has("scope"),
        has_join: has("join"),
        has_flow: has("flow"),
        findings: problems,
    })
}

fn duplicate_names(rules: &[Rule]) -> Vec<Diagnostic> {
    let mut seen = BTreeSet::new();
    let twice = rules.iter().filter(|rule| !seen.insert(rule.name.clone()));
    twice
        .map(|rule| Diagnostic::error("E104", format!("there are two rules `{}`", rule.name)).at(&rule.source, 0..0))
        .collect()
}

fn syntax_error(error: &rhai::ParseError, source: &Arc<SourceText>) -> Diagnostic {
    let problem = header::at(Diagnostic::error("E100", error.err_type().to_string()), source, error.position());
    let here = source.text.get(problem.range.clone()).unwrap_or_default();
    let before = source.text.get(..problem.range.start).unwrap_or_default().trim_end();
    match advice(here, before) {
        Some(advice) => problem.hint(advice),
        None => problem,
    }
}

/// What people mean who write another language.
fn advice(here: &str, before: &str) -> Option<&'static str> {
    let word = before.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    Some(match (here, word) {
        ("and", _) => "write `&&`",
        ("or", _) => "write `||`",
        ("not", _) | (_, "not") => "write `!` before what shall not be",
        ("null" | "nil" | "None" | "undefined", _) => "no value is `()`: `user.mail == ()`",
        ("elif" | "elsif", _) | (_, "elif" | "elsif") => "write `else if`",
        (quoted, _) if quoted.starts_with(['\'', '“', '”', '„', '‘', '’']) => {
            "texts stand in double quotes: `\"Sales\"`"
        }
        (":", _) => "a map begins with `#{`; `{` begins a block",
        _ => return None,
    })
}

fn is_library(path: &Path) -> bool {
    path.parent().and_then(Path::file_name).is_some_and(|name| name == "lib")
}

fn fingerprint(sources: &[Arc<SourceText>], settings: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for source in sources {
        let place = match (is_library(&source.path), tables::is_table(&source.path)) {
            (true, _) => format!("lib/{}", stem(&source.path)),
            (_, true) => {
                format!("{}/{}", tables::FOLDER, source.path.file_name().unwrap_or_default().to_string_lossy())
            }
            (false, false) => stem(&source.path),
        };
        text.push_str(&format!("{place}\0{}\0", source.text));
    }
    for (key, value) in settings {
        text.push_str(&format!("{key}\0{value}\0"));
    }
    short_digest(&text)
}
