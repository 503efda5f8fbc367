//! The engine that rules run in: no files, no clock, no output, and an end to everything.
//!
//! Built from nothing instead of Rhai's packages: those change values in place and return `()`, so that
//! `user.sn.trim()` would contribute nothing without a word. Here a method is a vocabulary function or an error.

use rhai::module_resolvers::DummyModuleResolver;
use rhai::packages::{BasicIteratorPackage, Package as _};
use rhai::{Engine, OptimizationLevel};

/// Operations in one call of a rule. A rule with 80 flows needs about 1,500.
const OPERATIONS: u64 = 200_000;
const CALL_LEVELS: usize = 32;
/// Nesting of expressions at the top level, and inside functions.
const EXPRESSION_DEPTHS: (usize, usize) = (64, 32);
/// Bytes of one text.
pub(super) const TEXT_SIZE: usize = 1 << 20;
const LIST_SIZE: usize = 200_000;
const MAP_SIZE: usize = 5_000;

/// An engine with the vocabulary and nothing else. `import` finds no modules until the host gives it a resolver.
pub fn engine() -> Engine {
    let mut engine = Engine::new_raw();
    // Ranges and `for`; has no functions that change values.
    BasicIteratorPackage::new().register_into_engine(&mut engine);
    engine
        .set_max_operations(OPERATIONS)
        .set_max_call_levels(CALL_LEVELS)
        .set_max_expr_depths(EXPRESSION_DEPTHS.0, EXPRESSION_DEPTHS.1)
        .set_max_string_size(TEXT_SIZE)
        .set_max_array_size(LIST_SIZE)
        .set_max_map_size(MAP_SIZE)
        // The interner searches its whole table once data has filled it: a third of the time of a rule.
        .set_max_strings_interned(0)
        .set_optimization_level(OptimizationLevel::None)
        // `source` and `target` come from the host while a rule runs, and strict variables would refuse them when it
        // compiles. The check of rules finds misspelled variables, with a suggestion.
        .set_strict_variables(false)
        // Registered comparisons count only without them.
        .set_fast_operators(false)
        .set_module_resolver(DummyModuleResolver::new())
        .disable_symbol("eval");
    super::register(&mut engine);
    engine
}

#[cfg(test)]
mod tests {
    use super::*;
    use rhai::Dynamic;

    fn error(script: &str) -> String {
        match engine().eval::<Dynamic>(script) {
            Ok(value) => panic!("`{script}` gives {value:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn everything_ends() {
        for (script, reason) in [
            (r#"let s = "xxxxxxxxxxxxxxxx"; loop { s += s; }"#, "Length of string too large"),
            (r#"let s = "xxxxxxxxxxxxxxxx"; loop { s = s + s; }"#, "Length of string too large"),
            (r#"let s = "xxxxxxxxxxxxxxxx"; loop { s = words([s, s]); }"#, "Length of string too large"),
            (r#"let s = "xxxxxxxxxxxxxxxx"; loop { s = replace(s, "x", s); }"#, "Length of string too large"),
            (r#"pad_left("x", 9000000000000, "y")"#, "at most"),
            ("let l = [1]; loop { l += l; }", "Size of array/BLOB too large"),
            ("let l = [1]; loop { l = [l, l]; }", "Size of array/BLOB too large"),
            ("loop {}", "Too many operations"),
            ("let n = 0; while true { n += 1; }", "Too many operations"),
            ("fn f(n) { f(n + 1) } f(0)", "Stack overflow"),
        ] {
            let error = error(script);
            assert!(error.contains(reason), "`{script}`: {error}");
        }
    }

    #[test]
    fn nothing_reaches_out() {
        for script in [
            r#"eval("1")"#,
            "sleep(1)",
            r#"print("x")"#,
            r#"debug("x")"#,
            r#"import "x" as y;"#,
            "timestamp()",
            "exit()",
            r#"parse_json("{}")"#,
        ] {
            error(script);
        }
    }

    #[test]
    fn the_host_may_offer_variables_but_a_misspelled_one_fails() {
        let mut engine = engine();
        #[expect(deprecated, reason = "Rhai calls it volatile")]
        engine.on_var(|name, _, _| Ok((name == "source").then(|| 5.into())));
        assert_eq!(engine.eval::<i64>("fn flow() { source } flow()").ok(), Some(5));
        assert!(engine.eval::<Dynamic>("fn flow() { sorce } flow()").is_err());
    }
}
