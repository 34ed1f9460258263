//! Names of the user's own, which generated code must not take for its own, nor the other way round.

#![forbid(unsafe_code)]
#![allow(dead_code, reason = "the names are there, and that is all")]

/// Without any: what the others are compared to.
mod none {
    include!("hygiene/uses.rs");
}

#[allow(non_upper_case_globals, reason = "names as generated code has them")]
mod constants {
    const manager: u32 = 1;
    const opened: &str = "";
    const block: u32 = 1;
    const end: () = ();
    const home: bool = true;
    const body: u32 = 1;
    const output: Option<u32> = None;
    const value: char = 'v';
    const handoff0: u32 = 1;
    const argument0: u32 = 1;
    const argument1: u32 = 1;

    include!("hygiene/uses.rs");
}

#[allow(non_upper_case_globals, reason = "names as generated code has them")]
mod statics {
    static manager: u32 = 1;
    static opened: &str = "";
    static block: u32 = 1;
    static end: () = ();
    static home: bool = true;
    static body: u32 = 1;
    static output: Option<u32> = None;
    static value: char = 'v';
    static handoff0: u32 = 1;
    static argument0: u32 = 1;
    static argument1: u32 = 1;

    include!("hygiene/uses.rs");
}

#[allow(non_camel_case_types, reason = "names as generated code has them")]
mod unit_structs {
    struct manager;
    struct opened;
    struct block;
    struct end;
    struct home;
    struct body;
    struct output;
    struct value;
    struct handoff0;
    struct argument0;
    struct argument1;

    include!("hygiene/uses.rs");
}

/// A trait for all types, whose methods take `self` by value, and so come before those that take `&self`.
mod methods {
    trait Taking: Sized {
        fn value(self) -> &'static str {
            "taken"
        }
        fn until(self) -> &'static str {
            "taken"
        }
        fn typed(self) -> &'static str {
            "taken"
        }
        fn returned(self) -> &'static str {
            "taken"
        }
        fn block(self) -> &'static str {
            "taken"
        }
        fn end(self) -> &'static str {
            "taken"
        }
        fn settle(self) -> &'static str {
            "taken"
        }
        fn lend(self) -> &'static str {
            "taken"
        }
        fn inside(self) -> &'static str {
            "taken"
        }
        fn jumping_block(self) -> &'static str {
            "taken"
        }
    }

    impl<T> Taking for T {}

    include!("hygiene/uses.rs");
}

/// The same with an argument, and giving what fits.
mod methods_that_fit {
    trait Taking: Sized {
        fn value<X>(self, _: X) -> Self {
            self
        }
        fn until<X>(self, _: X) -> Self {
            self
        }
        fn typed<X>(self, _: X) -> Self {
            self
        }
        fn returned<X>(self, _: X) -> Self {
            self
        }
        fn block<X>(self, _: X) -> Self {
            self
        }
        fn end<X>(self, other: X) -> X {
            other
        }
        fn settle<X>(self, other: X) -> X {
            other
        }
        fn lend<X>(self, other: X) -> X {
            other
        }
    }

    impl<T> Taking for T {}

    include!("hygiene/uses.rs");
}

/// Locals that are called as generated ones are, seen and changed in a block.
mod locals {
    use async_context_manager::{async_context_manager, with};
    use tests::block_on;

    #[async_context_manager]
    async fn number() -> u32 {
        let (home, body, output) = (1, 2, 3);
        r#yield!(home + body);
        assert_eq!(output, 3);
    }

    #[test]
    fn the_yield_point() {
        let sum = block_on(async {
            let mut manager_yield_point = 5;
            with!(number() as n => {
                manager_yield_point += n;
                manager_yield_point
            })
        });
        assert_eq!(sum, 8);
    }

    #[test]
    fn the_yield_point_of_the_block() {
        let sum = block_on(async {
            with!(number() as n => {
                let manager_yield_point = 5;
                with!(number() as m => manager_yield_point + n + m)
            })
        });
        assert_eq!(sum, 11);
    }

    #[test]
    fn the_yield_point_in_a_manager() {
        #[async_context_manager]
        async fn outer() -> u32 {
            let manager_yield_point = 5;
            with!(number() as n => {
                r#yield!(manager_yield_point + n);
            });
            assert_eq!(manager_yield_point, 5);
        }
        assert_eq!(block_on(async { with!(outer() as n => n) }), 8);
    }

    #[test]
    fn the_others() {
        let sum = block_on(async {
            let (manager, opened, block, end, value, handoff0) = (1, 2, 3, 4, 5, 6);
            with!(number() as n => n + manager + opened + block + end + value + handoff0)
        });
        assert_eq!(sum, 24);
    }
}
