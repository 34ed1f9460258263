//! Attributes of the language above and below those of the crate.

#![forbid(unsafe_code)]
#![deny(warnings)]

use async_context_manager::{async_context_manager, with, within};

/// Defines a module of functions for each attribute, which is above and below those of the crate.
macro_rules! functions {
    ($($module:ident($lint:ident): #[$($attribute:tt)*])*) => {
        $(mod $module {
            #![allow($lint)]

            use super::*;

            #[$($attribute)*]
            #[async_context_manager]
            async fn above() -> u32 {
                let unused = 1;
                r#yield!(1);
            }

            #[async_context_manager]
            #[$($attribute)*]
            async fn below() -> u32 {
                let unused = 1;
                r#yield!(2);
            }

            #[$($attribute)*]
            #[within(above() as one)]
            async fn above_within() -> u32 {
                let unused = 1;
                one
            }

            #[within(below() as two)]
            #[$($attribute)*]
            async fn below_within() -> u32 {
                let unused = 1;
                two
            }

            #[tokio::test]
            async fn work() {
                assert_eq!(with!(above() as one, below() as two => one + two), 3);
                assert_eq!(above_within().await + below_within().await, 3);
            }
        })*
    };
}

functions! {
    allow(dead_code): #[allow(unused_variables)]
    expect(dead_code): #[expect(unused_variables)]
    must_use(unused_variables): #[must_use = "it is tested"]
    cfg(unused_variables): #[cfg(all())]
    cfg_attr(unused_variables): #[cfg_attr(all(), inline)]
    doc(unused_variables): #[doc = "A function."]
    cold(unused_variables): #[cold]
    inline(unused_variables): #[inline]
}

/// Where it is deprecated, its use is reported, and only that.
#[expect(deprecated)]
mod deprecated {
    use super::*;

    #[deprecated]
    #[async_context_manager]
    async fn above() -> u32 {
        r#yield!(1);
    }

    #[async_context_manager]
    #[deprecated]
    async fn below() -> u32 {
        r#yield!(2);
    }

    #[tokio::test]
    async fn work() {
        assert_eq!(with!(above() as one, below() as two => one + two), 3);
    }
}

/// The caller is that of the function, which makes the manager.
mod track_caller {
    use super::*;

    #[track_caller]
    #[async_context_manager]
    async fn above() -> u32 {
        r#yield!(1);
    }

    #[async_context_manager]
    #[track_caller]
    async fn below() -> u32 {
        r#yield!(2);
    }

    #[tokio::test]
    async fn work() {
        assert_eq!(with!(above() as one, below() as two => one + two), 3);
    }
}

#[cfg(any())]
#[async_context_manager]
async fn not_there() {}

#[async_context_manager]
#[cfg(any())]
async fn not_there() {
    r#yield!();
}

#[within(track_caller())]
#[cfg(any())]
async fn not_there() {}
