//! A `with!` with a comma in place of the `=>`: it means the same, and `rustfmt` formats it.
//!
//! `tests/expansion.rs` compares the expansions of the two forms. Here they are compiled.

#![forbid(unsafe_code)]
#![deny(warnings, clippy::pedantic)]

use std::env;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use async_context_manager::{async_context_manager, nullcontext, with, within};
use tests::managers::{lends_name as lends, named as plain};
use tests::{Log, block_on, panic_message, yields};

#[path = "comma/formatted.rs"]
mod formatted;

#[async_context_manager]
async fn fallible(log: &Log, fails: bool) -> Result<u8, String> {
    let outcome = r#yield!(5);
    log.add(format!("exit fallible {outcome:?}"));
    if fails { Err("leaving".to_owned()) } else { Ok(()) }
}

#[async_context_manager]
async fn pair() -> (String, u8) {
    r#yield!(("text".to_owned(), 5));
}

struct Point {
    x: u8,
    y: u8,
}

/// Declares functions whose `with!`s have this between header and block.
macro_rules! functions {
    ($form:ident, $separator:tt) => {
        mod $form {
            use super::*;

            pub(super) async fn nothing_bound(log: &Log) -> u8 {
                with!(plain(log, "a") $separator { 5 })
            }

            pub(super) async fn several(log: &Log) -> String {
                with!(lends(log, "a") as a, plain(log, "b"), lends(log, a) as c $separator {
                    yields(1).await;
                    c.push('!');
                    c.clone()
                })
            }

            pub(super) async fn patterns(log: &Log) -> u8 {
                let shown = with!(pair() as (text, _) $separator { text });
                let sum = with!(pair() as (_, mut n), nullcontext([1, 2]) as [a, b] $separator {
                    n += a;
                    n + b
                });
                let point = with!(nullcontext(Point { x: 1, y: 2 }) as Point { x, y } $separator { x + y });
                with!(nullcontext(shown) as ref text, nullcontext(Point { x: sum, y: 0 }) as Point { x, .. } $separator {
                    log.add(format!("{text} {x}"));
                });
                with!(plain(log, "last") as _ $separator { sum + point })
            }

            pub(super) async fn managers_in_braces(log: &Log) {
                with!({ log.add("making a"); plain(log, "a") }, { plain(log, "b") } as () $separator {});
            }

            pub(super) async fn question_mark(log: &Log, text: &str) -> Result<u8, std::num::ParseIntError> {
                Ok(with!(plain(log, "a"), plain(log, "b") $separator { text.parse::<u8>()? }))
            }

            pub(super) async fn fails(log: &Log, fails: bool) -> Result<u8, String> {
                let five = with!(plain(log, "a"), fallible(log, fails) as five $separator { five })?;
                with!(fallible(log, fails) as n $separator { n + five })
            }

            pub(super) async fn returns(log: &Log, leaves: bool) -> u8 {
                with!(lends(log, "a") as name $separator {
                    if leaves {
                        return u8::try_from(name.len()).expect("it is short");
                    }
                });
                5
            }

            pub(super) async fn jumps(log: &Log) -> u8 {
                let mut count = 0;
                'outer: loop {
                    let found = loop {
                        with!(plain(log, "a"), plain(log, "b") $separator {
                            count += 1;
                            match count {
                                1 => continue,
                                2 => continue 'outer,
                                3 => break 5,
                                _ => break 'outer,
                            }
                        });
                    };
                    log.add(format!("found {found}"));
                }
                count
            }

            pub(super) async fn nested(log: &Log) -> usize {
                with!(lends(log, "a") as a $separator {
                    let outer = with!(lends(log, "b") as b => a.len() + b.len());
                    let inner = with!(lends(log, "c") as c, { a.len() + c.len() });
                    with!(lends(log, a) as d $separator { outer + inner + d.len() },)
                })
            }

            #[async_context_manager]
            async fn composed(log: &Log) -> &mut String {
                with!(plain(log, "outer"), lends(log, "inner") as name $separator { r#yield!(name) });
            }

            #[within(composed(log) as name)]
            pub(super) async fn body(log: &Log) -> usize {
                with!(plain(log, "in body") $separator {
                    if name.len() == 5 {
                        return 6;
                    }
                    7
                })
            }

            pub(super) async fn panics(log: &Log) {
                with!(plain(log, "a") $separator { panic!("in the block") });
            }
        }
    };
}

functions!(arrow, =>);
functions!(comma, ,);

/// Runs a function in both forms. Returns its value and its log, which must be the same.
macro_rules! run {
    ($function:ident $(, $argument:expr)*) => {{
        let log = Log::new();
        let arrow = (block_on(arrow::$function(&log $(, $argument)*)), log.take());
        let comma = (block_on(comma::$function(&log $(, $argument)*)), log.take());
        assert_eq!(comma, arrow);
        comma
    }};
}

/// What `plain` logs when it is left.
fn exit(name: &str) -> String {
    format!("exit {name} Completed")
}

#[test]
fn header_is_the_same() {
    assert_eq!(run!(nothing_bound), (5, vec!["enter a".to_owned(), exit("a")]));
    let (text, log) = run!(several);
    assert_eq!(text, "a!");
    assert_eq!(log, ["enter a", "enter b", "enter a", "exit a! Completed", &exit("b"), &exit("a")]);
    assert_eq!(run!(patterns), (11, vec!["text 8".to_owned(), "enter last".to_owned(), exit("last")]));
    let ((), log) = run!(managers_in_braces);
    assert_eq!(log, ["making a", "enter a", "enter b", &exit("b"), &exit("a")]);
}

#[test]
fn ways_out_are_the_same() {
    assert_eq!(run!(question_mark, "5").0, Ok(5));
    let (value, log) = run!(question_mark, "five");
    assert!(value.is_err());
    assert_eq!(log[2..], ["exit b Failed(())", "exit a Failed(())"]);
    assert_eq!(run!(fails, false).0, Ok(10));
    assert_eq!(run!(fails, true).0, Err("leaving".to_owned()));
    assert_eq!(run!(returns, true).0, 1);
    assert_eq!(run!(returns, false).0, 5);
    let (count, log) = run!(jumps);
    assert_eq!((count, log.len()), (4, 4 * 4 + 1));
}

#[test]
fn panic_is_the_same() {
    let log = Log::new();
    assert_eq!(panic_message(arrow::panics(&log)), "in the block");
    let arrow = log.take();
    assert_eq!(panic_message(comma::panics(&log)), "in the block");
    assert_eq!(log.take(), arrow);
}

#[test]
fn nested_forms_are_the_same() {
    assert_eq!(run!(nested).0, 5);
    assert_eq!(run!(body).0, 6);
}

mod macros_by_example {
    use super::*;

    macro_rules! with_block {
        ($manager:expr, $name:pat, $block:block) => {
            (with!($manager as $name => $block), with!($manager as $name, $block), with!($manager as $name, $block,))
        };
    }

    macro_rules! with_expression {
        ($manager:expr, $name:ident, $body:expr) => {
            (with!($manager as $name => $body), with!($manager as $name, $body))
        };
    }

    macro_rules! with_statements {
        ($($manager:expr $(=> $name:ident)?),+; $($body:tt)*) => {
            with!($($manager $(as $name)?),+, { $($body)* })
        };
    }

    macro_rules! with_tokens {
        ($($tokens:tt)*) => {
            with!($($tokens)*)
        };
    }

    #[test]
    fn block_is_a_fragment() {
        let values = block_on(async { with_block!(pair(), (text, n), { format!("{text} {n}") }) });
        assert_eq!(values.0, "text 5");
        assert_eq!((&values.0, &values.0), (&values.1, &values.2));
        let values = block_on(async { with_expression!(nullcontext(5), n, { n + 1 }) });
        assert_eq!(values, (6, 6));
    }

    #[test]
    fn block_is_a_fragment_that_leaves() {
        async fn parsed(text: &str) -> Option<u8> {
            for n in 1..3 {
                let (arrow, comma, _) = with_block!(nullcontext(n), m, {
                    if text.is_empty() {
                        continue;
                    }
                    text.parse::<u8>().ok()? + m
                });
                return Some(arrow + comma);
            }
            Some(0)
        }
        assert_eq!(block_on(parsed("5")), Some(12));
        assert_eq!(block_on(parsed("five")), None);
        assert_eq!(block_on(parsed("")), Some(0));
    }

    #[test]
    fn managers_are_fragments() {
        let log = Log::new();
        let length = block_on(async {
            with_statements!(lends(&log, "a") => a, plain(&log, "b"), { nullcontext(5) } => c; a.push('!'); a.len() + c)
        });
        assert_eq!(length, 7);
        assert_eq!(log.take(), ["enter a", "enter b", &exit("b"), &exit("a!")]);
    }

    #[test]
    fn call_is_a_list_of_tokens() {
        let sum = block_on(async { with_tokens!(nullcontext(5) as mut n, pair() as (_, m), { n += m; n },) });
        assert_eq!(sum, 10);
    }
}

mod rustfmt {
    use super::*;

    fn text(name: &str) -> String {
        let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "comma", name].iter().collect();
        fs::read_to_string(path).expect("a text of this test")
    }

    /// Formats a text by the settings of the project, or returns `None` if there is no `rustfmt`.
    fn formatted(text: &str) -> Option<String> {
        let mut command = Command::new(env::var_os("RUSTFMT").unwrap_or_else(|| "rustfmt".into()));
        command.args(["--edition", "2024"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().ok()?;
        // What `rustup` has in place of a missing `rustfmt` does not read its input.
        child.stdin.take().expect("it is piped").write_all(text.as_bytes()).ok();
        let output = child.wait_with_output().expect("it ends");
        let error = String::from_utf8_lossy(&output.stderr);
        if error.contains("is not installed") {
            return None;
        }
        assert!(output.status.success(), "{error}");
        Some(String::from_utf8(output.stdout).expect("it is text"))
    }

    #[test]
    fn comma_form_is_formatted() {
        let Some(once) = formatted(&text("unformatted.rs")) else {
            return eprintln!("skipped: there is no `rustfmt`");
        };
        assert_eq!(once, text("formatted.rs"));
        assert_eq!(formatted(&once), Some(once));
    }

    #[test]
    fn formatted_code_is_that_of_the_test() {
        let log = Log::new();
        assert_eq!(block_on(formatted::values(&log)), Ok(16));
        assert_eq!(block_on(formatted::wide_header(&log)), 9);
        assert_eq!(block_on(formatted::patterns_that_are_not_types()), 14);
    }
}
