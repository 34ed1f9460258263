//! No lint complains of generated code: here all are errors that are not about matters of taste.
//!
//! That this compiles, with `rustc` and with `clippy`, is what it shows.

#![forbid(unsafe_code)]
#![deny(
    warnings,
    future_incompatible,
    let_underscore,
    nonstandard_style,
    rust_2018_idioms,
    rust_2021_compatibility,
    rust_2024_compatibility,
    unused,
    absolute_paths_not_starting_with_crate,
    ambiguous_negative_literals,
    closure_returning_async_block,
    deprecated_in_future,
    elided_lifetimes_in_paths,
    explicit_outlives_requirements,
    impl_trait_redundant_captures,
    keyword_idents,
    let_underscore_drop,
    macro_use_extern_crate,
    meta_variable_misuse,
    missing_abi,
    missing_copy_implementations,
    missing_debug_implementations,
    missing_docs,
    non_ascii_idents,
    redundant_imports,
    redundant_lifetimes,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unnameable_types,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    unstable_features,
    unused_crate_dependencies,
    unused_extern_crates,
    unused_import_braces,
    unused_lifetimes,
    unused_macro_rules,
    unused_qualifications,
    unused_results,
    variant_size_differences
)]
#![deny(
    clippy::all,
    clippy::cargo,
    clippy::nursery,
    clippy::pedantic,
    clippy::absolute_paths,
    clippy::allow_attributes,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::clone_on_ref_ptr,
    clippy::dbg_macro,
    clippy::default_numeric_fallback,
    clippy::empty_drop,
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::infinite_loop,
    clippy::let_underscore_must_use,
    clippy::let_underscore_untyped,
    clippy::lossy_float_literal,
    clippy::map_err_ignore,
    clippy::mem_forget,
    clippy::min_ident_chars,
    clippy::missing_assert_message,
    clippy::missing_docs_in_private_items,
    clippy::mod_module_files,
    clippy::multiple_unsafe_ops_per_block,
    clippy::panic_in_result_fn,
    clippy::pattern_type_mismatch,
    clippy::print_stdout,
    clippy::pub_without_shorthand,
    clippy::redundant_type_annotations,
    clippy::ref_patterns,
    clippy::rest_pat_in_fully_bound_structs,
    clippy::semicolon_outside_block,
    clippy::std_instead_of_core,
    clippy::string_slice,
    clippy::tests_outside_test_module,
    clippy::try_err,
    clippy::undocumented_unsafe_blocks,
    clippy::unimplemented,
    clippy::unneeded_field_pattern,
    clippy::unnecessary_self_imports,
    clippy::unwrap_in_result,
    clippy::unwrap_used,
    clippy::use_debug,
    clippy::verbose_file_reads,
    clippy::wildcard_enum_match_arm
)]
#![allow(unused_crate_dependencies, clippy::multiple_crate_versions, reason = "those of other tests")]
#![allow(clippy::cargo_common_metadata, reason = "this is not published")]
#![allow(clippy::redundant_pub_crate, reason = "it and `unreachable_pub` contradict each other")]

/// Managers and functions in the ways that people write them.
mod written {
    use core::array;
    use core::cell::Cell;
    use core::convert::Infallible;
    use core::fmt::Write;
    use core::future::pending;

    use async_context_manager::{
        AsyncContextManager, Catch, Outcome, Suppress, async_context_manager, context_managers, with, within,
    };
    use tests::{Log, yields};

    /// A manager.
    #[async_context_manager]
    pub(crate) async fn plain(log: &Log) {
        log.add("enter");
        r#yield!();
        log.add("exit");
    }

    /// A manager that lends a local.
    #[async_context_manager]
    async fn lends(log: &Log, start: &str) -> &mut String {
        let mut local = start.to_owned();
        let outcome = r#yield!(&mut local);
        log.add(if outcome.is_completed() { local } else { "failed".to_owned() });
    }

    /// A manager that fails.
    #[async_context_manager]
    async fn fallible(mut fails: bool) -> Result<u8, String> {
        yields(1).await;
        if fails {
            return Err("entering".to_owned());
        }
        r#yield!(5);
        fails = !fails;
        if fails { Ok(()) } else { Err("leaving".to_owned()) }
    }

    /// A manager whose marker ends it.
    #[async_context_manager]
    async fn last() -> Cell<u8> {
        r#yield!(Cell::new(5))
    }

    /// A manager with arguments that it does not use.
    #[async_context_manager]
    async fn ignores(_: &Log, _unused: u8, (first, _): (u8, u8)) -> u8 {
        let _outcome: Outcome = r#yield!(first);
    }

    /// A manager whose error borrows from its argument.
    #[async_context_manager]
    async fn names_its_argument(name: &str) -> Result<&mut u8, &str> {
        let mut length = 0;
        r#yield!(&mut length);
        if length == 0 { Err(name) } else { Ok(()) }
    }

    /// A manager that is made of others.
    #[async_context_manager]
    async fn composed(log: &Log) -> Result<&mut String, String> {
        with!(lends(log, "composed") as local, fallible(false) => {
            r#yield!(local);
        })
    }

    /// A manager that races.
    #[async_context_manager]
    async fn races(log: &Log) -> Result<(), &'static str> {
        tokio::select! {
            outcome = async { r#yield!() } => log.add(if outcome.is_failed() { "failed" } else { "won" }),
            () = yields(9) => return Err("lost"),
        }
        Ok(())
    }

    /// A manager that ends in a panic, or in no way at all.
    #[async_context_manager]
    async fn diverges(panics: bool) -> Result<(), Infallible> {
        r#yield!();
        assert!(!panics, "leaving");
        pending().await
    }

    /// A manager with generics.
    #[async_context_manager]
    async fn generic<'log, Item, const SIZE: usize>(log: &'log Log, item: &Item) -> (&'log Log, [Item; SIZE])
    where
        Item: Clone + Send,
    {
        let items = array::from_fn(|_| item.clone());
        r#yield!((log, items));
    }

    /// A manager that catches.
    #[async_context_manager(catch)]
    async fn catches(log: &Log) -> Result<&mut String, String> {
        let mut local = String::new();
        let outcome = r#yield!(&mut local);
        log.add(local);
        outcome.into_result()
    }

    /// A manager whose body is one expression on one line.
    #[rustfmt::skip]
    #[async_context_manager]
    pub(crate) async fn one_line(log: &Log) -> &mut String { with!(lends(log, "one line") as local => { r#yield!(local); }) }

    /// Another one.
    #[rustfmt::skip]
    #[async_context_manager]
    pub(crate) async fn one_if() -> u8 { if r#yield!(5).is_failed() { yields(1).await; } }

    /// A manager that suppresses.
    #[async_context_manager(catch, suppress)]
    async fn suppresses<Error: PartialEq>(expected: Error) -> Result<(), Error> {
        match r#yield!() {
            Outcome::Failed(error) if error == expected => Ok(()),
            outcome @ (Outcome::Completed | Outcome::Failed(_) | Outcome::Panicked | Outcome::Cancelled) => {
                outcome.into_result()
            }
        }
    }

    /// A manager that may end its block.
    #[async_context_manager(suppress)]
    async fn gives_up() {
        tokio::select! {
            _ = async { r#yield!() } => {}
            () = yields(1) => {}
        }
    }

    /// A type that is a manager.
    #[derive(Debug)]
    struct Member<'log> {
        /// What has happened.
        log: &'log Log,
        /// What is lent.
        number: u8,
    }

    impl AsyncContextManager for Member<'_> {
        type Value<'v>
            = &'v mut u8
        where
            Self: 'v;
        type Exit = Suppress<Catch<String>>;

        async fn enter(&mut self) -> Result<&mut u8, String> {
            Ok(&mut self.number)
        }

        async fn exit(&mut self, outcome: Outcome<String>) -> Result<(), String> {
            self.log.add("exit");
            outcome.into_result()
        }
    }

    /// Managers that catch, suppress, and are types.
    pub(crate) async fn exits(log: &Log, text: &str) -> Result<u8, String> {
        let length = with!(catches(log) as local => {
            local.push_str(text);
            if text.is_empty() {
                return Err("empty".to_owned());
            }
            local.len()
        })?;
        let suppressed =
            with!(suppresses("expected".to_owned()) => text.parse::<u8>().map_err(|_error| "expected".to_owned())?)?;
        let mut given_up = with!(gives_up() => pending::<u8>().await);
        let mut member = Member { log, number: 5 };
        for number in 0..3 {
            let value = with!(&mut member as lent, plain(log) => {
                if number == 1 {
                    continue;
                }
                *lent = number;
                number
            })?;
            given_up = given_up.or(value);
        }
        let scoped = plain(log).scope(async |()| usize::from(member.number)).await;
        log.add(if suppressed.is_none() && scoped < length { "less" } else { "more" });
        with!(names_its_argument(text) as length => *length = 1).map_err(str::to_owned)?;
        given_up.ok_or_else(|| "nothing".to_owned())
    }

    /// Has managers for methods.
    #[derive(Debug, Clone)]
    pub(crate) struct Own {
        /// What has happened.
        log: Log,
    }

    impl Own {
        /// A manager by reference.
        #[async_context_manager]
        pub(crate) async fn by_reference(&self) -> &Log {
            r#yield!(&self.log);
            self.log.add("exit");
        }

        /// A manager by mutable reference.
        #[async_context_manager]
        async fn by_mutable_reference(&mut self) -> &mut Log {
            r#yield!(&mut self.log);
            self.log.add("exit");
        }

        /// A manager by value.
        #[async_context_manager]
        async fn by_value(self) -> Self {
            let log = self.log.clone();
            r#yield!(self);
            log.add("exit");
        }

        /// A manager by value that changes it.
        #[async_context_manager]
        async fn by_mutable_value(mut self) -> &mut Self {
            r#yield!(&mut self);
            self.log.add("exit");
        }
    }

    context_managers! {
        /// A manager with a plain marker.
        #[async_context_manager]
        async fn wrapped() -> u8 {
            yield!(5);
        }
    }

    /// Blocks of all shapes.
    pub(crate) async fn shapes(log: &Log) -> usize {
        with!(plain(log) => {});
        with!(plain(log) => ());
        with!(plain(log) => { log.add("block") });
        with!(plain(log) => log.add("block"));
        with!(plain(log) => { log.add("block"); });
        with!(lends(log, "braces") as local => { local.push('!') });
        with!(lends(log, "unused") as _local => {});
        with!(lends(log, "unbound") => {});
        with!(ignores(log, 5, (5, 5)) as _ => {});
        with!(one_line(log), one_if() => {});
        with!(plain(log) => with!(plain(log) => with!(plain(log) => {})));
        with!(plain(log), plain(log), lends(log, "last") as local => { local.push('!') });
        let one = with!(last() as cell => { cell.get() });
        let two = with!(wrapped() as number => if number == one { one } else { number });
        let three = with!(last() as mut cell => {
            *cell.get_mut() = two;
            match cell.into_inner() {
                5 => "five",
                _ => "other",
            }
        });
        if with!(last() as cell => { cell.get() == 5 }) {
            log.add("five");
        }
        match with!(last() as cell => { cell.get() }) {
            5 => three.len(),
            _ => 0,
        }
    }

    /// Blocks after a comma.
    pub(crate) async fn after_commas(log: &Log, text: &str) -> Result<usize, String> {
        with!(plain(log), {});
        with!(plain(log), { log.add("block") });
        with!(plain(log), lends(log, "name") as local, { local.push('!') },);
        if text.is_empty() {
            with!(plain(log), { return Ok(0) });
        }
        let number = with!(plain(log), fallible(false) as five, { text.parse().unwrap_or(five) })?;
        for each in 0..number {
            with!(plain(log), ignores(log, 5, (5, 5)) as _, {
                if each == 1 {
                    continue;
                }
                log.add("work");
            });
        }
        with!(composed(log) as local, { with!(last() as mut cell, { local.len().max(usize::from(*cell.get_mut())) }) })
    }

    /// Braces around a `with!`, and managers of its block.
    pub(crate) async fn braced(log: &Log) -> usize {
        let length = { with!(lends(log, "braces") as local => local.len()) };
        let number = if length > 0 { with!(wrapped() as number => number) } else { with!(last(), { 0 }) };
        let other = match number {
            5 => {
                with!(plain(log), { with!(wrapped() as other, { other }) })
            }
            _ => 0,
        };
        let add = async |sum: usize| with!(plain(log) => { with!(plain(log) => sum.saturating_add(length)) });
        let sum = add(usize::from(number.saturating_add(other))).await;
        with!(plain(log) => {
            /// A manager of this block.
            #[async_context_manager]
            async fn inner(log: &Log, sum: usize) -> usize {
                r#yield!(sum);
                log.add("inner");
            }
            {
                with!(inner(log, sum) as sum => { sum })
            }
        })
    }

    /// Blocks that always leave.
    pub(crate) async fn diverging(log: &Log, text: &str, way: u8) -> Result<u8, String> {
        match way {
            0 => with!(plain(log) => { return Ok(0) }),
            1 => with!(plain(log) => return Err("one".to_owned())),
            2 => {
                with!(plain(log) => { text.parse::<u8>().map_err(|error| error.to_string())? });
                Ok(2)
            }
            3 => 'done: {
                with!(plain(log) => { break 'done Ok(3) })
            }
            4 => 'done: {
                with!(plain(log) => break 'done Ok(4))
            }
            5 => with!(plain(log) => panic!("five")),
            6 => with!(plain(log) => { unreachable!("six") }),
            7 => with!(plain(log), plain(log) => { return Ok(7) }),
            8 => with!(fallible(false) => { return Ok(8) }),
            9 => with!(plain(log) => loop { if text.is_empty() { return Ok(9) } }),
            _ => with!(plain(log) => pending().await),
        }
    }

    /// Blocks that leave now and then.
    pub(crate) async fn leaving(log: &Log) -> Result<usize, String> {
        let mut sum = 0_usize;
        let mut unused_results = 0_u8;
        'outer: for number in 0_usize..9 {
            with!(plain(log) => {
                match number {
                    0 => continue,
                    1 => continue 'outer,
                    7 => break,
                    8 => break 'outer,
                    9 => return Ok(number),
                    _ => {}
                }
                sum = sum.saturating_add(number);
            });
            with!(fallible(false) as five => {
                if number == 5 {
                    continue;
                }
                unused_results = five;
            })?;
        }
        let found = loop {
            let length = with!(lends(log, "found") as local => {
                if local.is_empty() {
                    break None;
                }
                local.len()
            });
            if length > 0 {
                break Some(length);
            }
        };
        loop {
            with!(plain(log) => {
                if sum == 0 {
                    sum = 1;
                    continue;
                }
                break;
            });
        }
        for number in 0_u8..3 {
            with!(plain(log), plain(log) => {
                if number == 1 {
                    continue;
                }
                log.add("work");
            });
        }
        with!(composed(log) as local => {
            write!(local, " {unused_results}").map_err(|error| error.to_string())?;
        })?;
        Ok(sum.saturating_add(found.unwrap_or_default()))
    }

    /// Values that are and are not used.
    pub(crate) async fn values(log: &Log) -> Result<(), String> {
        let mut own = Own { log: log.clone() };
        with!(own.by_reference() as inner => inner.add("block"));
        with!(own.by_mutable_reference() as inner => inner.add("block"));
        let given = with!(own.by_value() as moved => moved);
        with!(given.by_mutable_value() as moved => moved.log.add("block"));
        let (_, items): (&Log, [u8; 2]) = with!(generic(log, &5_u8) as pair => pair);
        with!(races(log) => { yields(1).await })?;
        with!(fallible(true) as five => { five.count_ones() })
            .map_or_else(|_| log.add("failed"), |ones| log.add(ones.to_string()));
        with!(fallible(false) as five => items.contains(&five)).map(drop)
    }

    /// A manager that never comes to its end.
    pub(crate) async fn endless() -> Result<(), Infallible> {
        with!(diverges(false) => {})
    }

    /// A manager that may end its block.
    #[async_context_manager(suppress)]
    async fn may_suppress() {
        let _outcome: Outcome = r#yield!();
    }

    /// A body that is a block.
    #[within(plain(log))]
    pub(crate) async fn within_one(log: &Log) {
        log.add("body");
    }

    /// A body that awaits nothing, in managers that can fail.
    #[within(fallible(fails) as five, lends(log, "within") as local)]
    pub(crate) async fn within_several(log: &Log, fails: bool, mut sum: u8) -> Result<u8, String> {
        sum = sum.saturating_add(five);
        if sum == 0 {
            return Err(local.clone());
        }
        write!(local, " {sum}").map_err(|error| error.to_string())?;
        Ok(sum)
    }

    /// A body that may be ended, in managers above each other.
    #[within(plain(log))]
    #[within(may_suppress(), ignores(log, 5, (5, 5)) as _)]
    pub(crate) async fn within_each_other(log: &Log, text: &str) -> Option<u8> {
        let number = text.parse().ok()?;
        yields(1).await;
        Some(number)
    }

    /// A body that leaves in each of its ways.
    #[within(plain(log))]
    pub(crate) async fn within_and_leaving(log: &Log, leaves: bool) -> usize {
        if leaves {
            return 5;
        }
        log.add("body");
        return 6;
    }

    /// A body that never ends.
    #[within(plain(log))]
    pub(crate) async fn within_and_endless(log: &Log) -> ! {
        pending().await
    }

    /// A body that panics.
    #[within(plain(log))]
    pub(crate) async fn within_and_panicking(log: &Log) -> u8 {
        panic!("a body that panics")
    }

    /// What is returned has no name.
    #[within(plain(log))]
    pub(crate) async fn within_and_unnamed(log: &Log) -> impl Iterator<Item = u8> {
        0_u8..5
    }

    /// The type is `!`, or rather nothing at all.
    pub(crate) async fn never(log: &Log) -> Infallible {
        with!(plain(log) => pending().await)
    }
}

/// That they run is not the point.
#[cfg(test)]
mod runs {
    use super::written;
    use tests::{Log, block_on, drop_after, panic_message};

    #[test]
    fn generated_code_without_lint_warnings_runs() {
        let log = Log::new();
        assert_eq!(block_on(written::shapes(&log)), 4, "the length of a word");
        for way in [0, 3, 4, 7, 8, 9] {
            assert_eq!(block_on(written::diverging(&log, "", way)), Ok(way), "leaves");
        }
        assert_eq!(block_on(written::after_commas(&log, "3")), Ok(8), "the length of a word");
        assert_eq!(block_on(written::braced(&log)), 16, "the sum");
        assert_eq!(block_on(written::leaving(&log)), Ok(25), "the sum");
        assert_eq!(block_on(written::values(&log)), Ok(()), "nothing");
        block_on(written::within_one(&log));
        assert_eq!(block_on(written::within_several(&log, false, 1)), Ok(6), "the sum");
        assert_eq!(block_on(written::within_each_other(&log, "5")), Some(5), "the number");
        assert_eq!(block_on(written::within_and_leaving(&log, true)), 5, "leaves");
        assert_eq!(block_on(written::within_and_unnamed(&log)).count(), 5, "the numbers");
        assert_eq!(panic_message(written::within_and_panicking(&log)), "a body that panics", "panics");
        drop_after(1, async { written::within_and_endless(&log).await });
        assert_eq!(block_on(written::exits(&log, "text")), Ok(0), "the first number");
        assert_eq!(block_on(written::exits(&log, "")), Err("empty".to_owned()), "is caught");
        drop_after(1, written::endless());
        drop_after(1, written::never(&log));
        assert_ne!(log.take().len(), 0, "much has happened");
    }
}
