//! The crate under another name, and as a part of another crate.

#![forbid(unsafe_code)]
#![allow(clippy::never_loop, reason = "blocks that always jump are what is tested")]

extern crate async_context_manager as renamed;

use tests::{Log, block_on};

/// Named otherwise in the whole crate. (In `Cargo.toml`: see `edition_2021.rs`.)
mod another_name {
    use super::*;
    use renamed::{async_context_manager, context_managers, with};

    #[async_context_manager(crate = renamed)]
    async fn plain(log: &Log) -> Result<&mut u8, String> {
        let mut local = 5;
        let outcome = r#yield!(&mut local);
        log.add(format!("{outcome:?}"));
        Ok(())
    }

    #[async_context_manager(crate = ::renamed)]
    async fn composed(log: &Log) -> Result<&mut u8, String> {
        with!(plain(log), plain(log) as local => { r#yield!(local); })
    }

    context_managers! {
        #[async_context_manager(crate = ::renamed)]
        async fn wrapped() -> u8 {
            yield!(5);
        }
    }

    async fn run(log: &Log) -> Result<u8, String> {
        loop {
            let _ = with!(composed(log) as local, wrapped() as number => {
                *local += number;
                break Ok(*local);
            });
        }
    }

    #[test]
    fn crate_by_another_name_works() {
        let log = Log::new();
        assert_eq!(block_on(run(&log)), Ok(10));
        assert_eq!(log.take(), ["Completed", "Completed"]);
    }

    #[test]
    fn crate_by_another_name_works_by_path() {
        #[renamed::async_context_manager(crate = renamed)]
        async fn local() -> u8 {
            renamed::r#yield!(5);
        }
        assert_eq!(block_on(async { renamed::with!(local() as n => n + 1) }), 6);
    }
}

/// Re-exported by another crate, as a framework would.
mod framework {
    pub(crate) mod reexports {
        pub(crate) use ::async_context_manager as managers;
        pub(crate) use ::async_context_manager::{async_context_manager as manager, with as scope};
    }
}

mod reexported {
    use super::*;
    use crate::framework::reexports::{manager, scope};

    #[manager(crate = crate::framework::reexports::managers)]
    async fn plain(log: &Log) -> &mut u8 {
        let mut local = 5;
        r#yield!(&mut local);
        log.add("exit");
    }

    #[manager(crate = super::framework::reexports::managers)]
    async fn composed(log: &Log) -> &mut u8 {
        scope!(plain(log) as local => { r#yield!(local); });
    }

    #[test]
    fn macros_work_under_other_names() {
        let log = Log::new();
        let value = block_on(async {
            scope!(composed(&log) as local => {
                *local += 1;
                *local
            })
        });
        assert_eq!((value, log.take()), (6, vec!["exit".to_string()]));
    }

    #[test]
    fn inner_manager_of_a_reexported_crate_sees_the_outcome() {
        #[manager(crate = crate::framework::reexports::managers)]
        async fn logged(log: &Log) {
            let outcome = r#yield!();
            log.add(format!("{outcome:?}"));
        }
        #[manager(crate = crate::framework::reexports::managers)]
        async fn outer(log: &Log) {
            scope!(logged(log) => { r#yield!(); });
        }
        let log = Log::new();
        let value: Result<(), &str> = block_on(async { scope!(outer(&log) => Err("error")) });
        assert_eq!((value, log.take()), (Err("error"), vec!["Failed(())".to_string()]));
    }
}

/// With only a path in scope.
mod by_path {
    use super::*;

    #[async_context_manager::async_context_manager]
    async fn plain(log: &Log) -> u8 {
        async_context_manager::r#yield!(5);
        log.add("exit");
    }

    #[::async_context_manager::async_context_manager]
    async fn absolute(log: &Log) -> u8 {
        ::async_context_manager::r#yield!(5);
        log.add("exit");
    }

    ::async_context_manager::context_managers! {
        #[async_context_manager::async_context_manager]
        async fn wrapped() -> u8 {
            yield!(5);
        }
    }

    #[test]
    fn everything_works_by_path() {
        let log = Log::new();
        let sum = block_on(async {
            async_context_manager::with!(plain(&log) as a, absolute(&log) as b, wrapped() as c => a + b + c)
        });
        assert_eq!((sum, log.take()), (15, vec!["exit".to_string(); 2]));
    }
}

/// In a module that has its own ideas of the names that generated code uses.
mod shadowed {
    #![allow(dead_code, unused_macros, reason = "the names are what is tested")]

    use super::{Log, block_on};
    use ::async_context_manager::{async_context_manager, with};

    mod core {}
    mod std {}
    mod alloc {}
    struct Option;
    struct Some;
    struct None;
    enum Result {}
    struct Ok;
    struct Err;
    struct Box;
    struct Future;
    struct ControlFlow;
    struct Manager;
    struct Home;
    struct Inline;
    struct Outcome;
    trait Send {}
    trait Sized {}
    trait Iterator {}
    macro_rules! panic {
        ($($any:tt)*) => {
            compile_error!("not this one")
        };
    }
    macro_rules! unreachable {
        ($($any:tt)*) => {
            compile_error!("not this one")
        };
    }
    macro_rules! assert {
        ($($any:tt)*) => {
            compile_error!("not this one")
        };
    }
    macro_rules! matches {
        ($($any:tt)*) => {
            compile_error!("not this one")
        };
    }
    fn run() {}
    fn attach() {}
    fn open() {}
    fn drop() {}

    #[async_context_manager]
    async fn infallible(log: &Log) -> &mut u8 {
        let mut local = 5;
        r#yield!(&mut local);
        log.add("exit");
    }

    #[async_context_manager]
    async fn fallible(log: &Log) -> ::std::result::Result<u8, ::std::string::String> {
        r#yield!(5);
        log.add("exit");
        ::std::result::Result::Ok(())
    }

    #[async_context_manager]
    async fn composed(log: &Log) -> ::std::result::Result<&mut u8, ::std::string::String> {
        with!(infallible(log) as local, fallible(log) => { r#yield!(local); })
    }

    async fn runs(log: &Log, way: u8) -> ::std::result::Result<u8, ::std::string::String> {
        loop {
            let value = with!(composed(log) as local, fallible(log) => {
                match way {
                    0 => ::std::result::Result::Err("error")?,
                    1 => return ::std::result::Result::Ok(1),
                    2 => break,
                    _ => *local,
                }
            });
            return value;
        }
        ::std::result::Result::Ok(2)
    }

    #[test]
    fn macros_work_where_names_of_the_standard_library_are_shadowed() {
        let log = Log::new();
        let results = [0, 1, 2, 3].map(|way| block_on(runs(&log, way)));
        let expected = [
            ::std::result::Result::Err("error".to_string()),
            ::std::result::Result::Ok(1),
            ::std::result::Result::Ok(2),
            ::std::result::Result::Ok(5),
        ];
        assert_eq!(results, expected);
        assert_eq!(log.take().len(), 12);
    }
}

/// By a macro of the user's.
mod macros {
    use super::*;

    #[test]
    fn a_macro_defines_the_manager() {
        macro_rules! manager {
            ($name:ident, $value:expr, $type:ty, $outcome:ident => $exit:expr) => {
                #[async_context_manager::async_context_manager]
                async fn $name(log: &Log) -> $type {
                    let $outcome = r#yield!($value);
                    log.add($exit);
                }
            };
        }
        manager!(made, 5, u8, outcome => format!("{outcome:?}"));
        let log = Log::new();
        let value = block_on(async { async_context_manager::with!(made(&log) as n => n) });
        assert_eq!((value, log.take()), (5, vec!["Completed".to_string()]));
    }

    macro_rules! define {
        ($(#[$attr:meta])* $vis:vis fn $name:ident($($argument:ident: $type:ty),*) -> $lent:ty $body:block) => {
            $(#[$attr])*
            #[async_context_manager::async_context_manager]
            $vis async fn $name($($argument: $type),*) -> $lent $body
        };
    }

    define! {
        /// By fragments.
        pub(crate) fn defined(log: &Log, start: u8) -> Result<&mut u8, String> {
            let mut local = start;
            let outcome = r#yield!(&mut local);
            log.add(format!("{local} {outcome:?}"));
            Ok(())
        }
    }

    macro_rules! enter {
        ($manager:expr, $pattern:pat => $block:block) => {
            async_context_manager::with!($manager as $pattern => $block)
        };
        ($($manager:expr),* ; $($block:tt)*) => {
            async_context_manager::with!($($manager),* => { $($block)* })
        };
    }

    async fn enters(log: &Log, way: u8) -> Result<u8, String> {
        loop {
            let value = enter!(defined(log, 5), &mut ref mut number => {
                *number += 1;
                match way {
                    0 => Err("error".to_string())?,
                    1 => return Ok(1),
                    2 => break,
                    _ => *number,
                }
            })?;
            enter!(defined(log, 1), defined(log, 2); if way == 4 { return Ok(4) })?;
            return Ok(value);
        }
        Ok(2)
    }

    #[test]
    fn fragments_of_macros() {
        let log = Log::new();
        assert_eq!(block_on(enters(&log, 0)), Err("error".to_string()));
        assert_eq!(log.take(), ["6 Failed(())"]);
        assert_eq!(block_on(enters(&log, 1)), Ok(1));
        assert_eq!(block_on(enters(&log, 2)), Ok(2));
        assert_eq!(log.take(), ["6 Completed", "6 Completed"]);
        assert_eq!(block_on(enters(&log, 3)), Ok(6));
        assert_eq!(block_on(enters(&log, 4)), Ok(4));
        assert_eq!(log.take(), ["6 Completed", "2 Completed", "1 Completed"].repeat(2));
    }
}
