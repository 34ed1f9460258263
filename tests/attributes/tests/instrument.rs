//! `#[tracing::instrument]` above and below the attributes of the crate: what is in its span.

#![forbid(unsafe_code)]

mod support;

use std::fmt::Display;
use std::future::pending;
use std::num::ParseIntError;
use std::time::Duration;

use async_context_manager::{async_context_manager, context_managers, move_on_after, rescue, with, within};
use support::recorded;
use tests::yields;
use tracing::{Instrument, info, info_span, instrument};

/// Defines two functions with the same body, in two modules. In `above`, `#[instrument]` is above the other attribute,
/// and in `below`, it is below.
macro_rules! in_both_orders {
    (#[instrument $($args:tt)?] #[$attribute:ident $($options:tt)?] $($function:tt)*) => {
        mod above {
            use super::*;

            #[instrument $($args)?]
            #[$attribute $($options)?]
            pub(super) $($function)*
        }

        mod below {
            use super::*;

            #[$attribute $($options)?]
            #[instrument $($args)?]
            pub(super) $($function)*
        }
    };
}

/// Asserts that the same code has this output and these events in both orders.
macro_rules! assert_both {
    ($run:expr, $output:expr, $events:expr) => {
        let (output, events) = {
            use above::*;
            recorded($run).await
        };
        assert_eq!(output, $output, "above");
        assert_eq!(events, $events, "above");
        let (output, events) = {
            use below::*;
            recorded($run).await
        };
        assert_eq!(output, $output, "below");
        assert_eq!(events, $events, "below");
    };
}

/// An error of a manager or its block.
#[derive(Debug, PartialEq)]
struct Failed(&'static str);

impl Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

mod span {
    use super::*;

    /// The loss is outside of the span.
    const UNFINISHED: &str = "`lent` was cut off in its exit phase, because its `with!` was dropped; add the option \
                              `shielded`, or put `graceful` around it, to complete it manager=\"lent\" kind=Unfinished";

    struct OnDrop;

    impl Drop for OnDrop {
        fn drop(&mut self) {
            info!("dropped");
        }
    }

    in_both_orders! {
        #[instrument(skip_all)]
        #[async_context_manager]
        async fn lent(start: u32) -> Result<&mut u32, Failed> {
            let mut value = start;
            yields(1).await;
            info!("entering");
            let outcome = r#yield!(&mut value);
            yields(1).await;
            info!("leaving after {outcome:?}");
            Ok(())
        }
    }

    #[tokio::test]
    async fn covers_entering_the_block_and_leaving() {
        assert_both!(
            async {
                with!(lent(4) as value => {
                    yields(1).await;
                    info!("block");
                    *value += 1;
                    *value
                })
            },
            Ok(5),
            ["lent: entering", "lent: block", "lent: leaving after Completed"]
        );
    }

    #[tokio::test]
    async fn covers_leaving_by_an_error() {
        assert_both!(
            async { with!(lent(4) as _ => Err::<(), _>(Failed("block"))?) },
            Err(Failed("block")),
            ["lent: entering", "lent: leaving after Failed(())"]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn covers_a_stopped_block() {
        assert_both!(
            async { with!(move_on_after(Duration::from_secs(1)) => with!(lent(4) as _ => pending::<()>().await)) },
            None,
            ["lent: entering", "lent: leaving after Cancelled"]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn covers_a_dropped_block() {
        assert_both!(
            async {
                let block = async {
                    with!(lent(4) as _ => {
                        let _dropped = OnDrop;
                        pending::<()>().await;
                    })
                };
                tokio::time::timeout(Duration::from_secs(1), block).await.is_err()
            },
            true,
            ["lent: entering", "lent: dropped", UNFINISHED]
        );
    }

    #[tokio::test]
    async fn covers_managers_in_the_block() {
        assert_both!(
            async { with!(lent(1) as _, lent(2) as _ => { info!("block") }) },
            Ok(()),
            [
                "lent: entering",
                "lent: lent: entering",
                "lent: lent: block",
                "lent: lent: leaving after Completed",
                "lent: leaving after Completed"
            ]
        );
    }

    #[tokio::test]
    async fn does_not_need_a_task_that_stays() {
        for start in [1, 2] {
            let above = tokio::spawn(async move { with!(above::lent(start) as value => *value) });
            let below = tokio::spawn(async move { with!(below::lent(start) as value => *value) });
            assert_eq!((above.await.expect("no panic"), below.await.expect("no panic")), (Ok(start), Ok(start)));
        }
    }
}

mod fields {
    use super::*;

    in_both_orders! {
        #[instrument(level = "debug", name = "db", skip(secret), fields(user = name.len(), rows))]
        #[async_context_manager]
        async fn named((name, n): (&str, u8), secret: &str) -> usize {
            tracing::Span::current().record("rows", 3);
            info!("entering");
            r#yield!(secret.len() + usize::from(n));
        }
    }

    #[tokio::test]
    async fn are_those_of_the_attribute() {
        assert_both!(
            async { with!(named(("ann", 1), "?") as length => { info!("block"); length }) },
            2,
            ["db{name=\"ann\" n=1 user=3 rows=3}: entering", "db{name=\"ann\" n=1 user=3 rows=3}: block"]
        );
    }
}

mod results {
    use super::*;

    in_both_orders! {
        #[instrument(err, ret, skip_all)]
        #[async_context_manager]
        async fn fails(when: &'static str) -> Result<u8, Failed> {
            if when == "entering" {
                return Err(Failed(when));
            }
            r#yield!(5);
            if when == "leaving" {
                Err(Failed(when))?;
            }
            Ok(())
        }
    }

    async fn run_above(when: &'static str) -> Result<u8, Failed> {
        with!(above::fails(when) as value => value)
    }

    async fn run_below(when: &'static str) -> Result<u8, Failed> {
        with!(below::fails(when) as value => value)
    }

    #[tokio::test]
    async fn are_those_of_the_manager() {
        for when in ["entering", "leaving"] {
            let events = vec![format!("fails: error={when}")];
            assert_eq!(recorded(run_above(when)).await, (Err(Failed(when)), events.clone()));
            assert_eq!(recorded(run_below(when)).await, (Err(Failed(when)), events));
        }
        let events = vec!["fails: return=()".to_owned()];
        assert_eq!(recorded(run_above("never")).await, (Ok(5), events.clone()));
        assert_eq!(recorded(run_below("never")).await, (Ok(5), events));
    }
}

mod caught {
    use super::*;

    in_both_orders! {
        #[instrument(err(level = "info"), skip_all)]
        #[async_context_manager(catch, suppress)]
        async fn logged<E: Display>(suppresses: bool) -> Result<(), E> {
            let outcome = r#yield!();
            if suppresses { Ok(()) } else { outcome.into_result() }
        }
    }

    async fn parse_above(suppresses: bool) -> Result<Option<u8>, ParseIntError> {
        with!(above::logged(suppresses) => "x".parse::<u8>()?)
    }

    async fn parse_below(suppresses: bool) -> Result<Option<u8>, ParseIntError> {
        with!(below::logged(suppresses) => "x".parse::<u8>()?)
    }

    #[tokio::test]
    async fn errors_are_recorded_if_they_go_through() {
        let events = vec!["logged: error=invalid digit found in string".to_owned()];
        let (output, above) = recorded(parse_above(false)).await;
        assert!(output.is_err());
        assert_eq!(above, events);
        let (output, below) = recorded(parse_below(false)).await;
        assert!(output.is_err());
        assert_eq!(below, events);
        assert_eq!(recorded(parse_above(true)).await, (Ok(None), vec![]));
        assert_eq!(recorded(parse_below(true)).await, (Ok(None), vec![]));
    }
}

mod shielded {
    use super::*;

    in_both_orders! {
        #[instrument]
        #[async_context_manager(shielded)]
        async fn kept() -> &mut String {
            let mut value = String::new();
            let outcome = r#yield!(&mut value);
            yields(1).await;
            info!("leaving after {outcome:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn covers_a_rescue() {
        assert_both!(
            async {
                let block = async { with!(kept() as _ => pending::<()>().await) };
                let block = block.instrument(info_span!("request"));
                let is_dropped = tokio::time::timeout(Duration::from_secs(1), block).await.is_err();
                rescue::drain().await;
                is_dropped
            },
            true,
            ["request: kept: leaving after Cancelled"]
        );
    }
}

mod composed {
    use super::*;

    #[async_context_manager]
    async fn inner() -> Result<&mut u32, Failed> {
        let mut value = 1;
        info!("entering inner");
        r#yield!(&mut value);
        info!("leaving inner");
        Ok(())
    }

    in_both_orders! {
        #[instrument]
        #[async_context_manager]
        async fn outer() -> Result<&mut u32, Failed> {
            with!(inner() as value => {
                *value += 1;
                r#yield!(&mut *value);
                info!("leaving outer");
            })
        }
    }

    #[tokio::test]
    async fn covers_inner_managers() {
        assert_both!(
            async { with!(outer() as value => *value) },
            Ok(2),
            ["outer: entering inner", "outer: leaving outer", "outer: leaving inner"]
        );
    }
}

mod methods {
    use super::*;

    #[derive(Debug)]
    struct Counter(u32);

    trait Counts {
        #[async_context_manager]
        async fn in_trait(&mut self) -> &mut u32;
    }

    impl Counts for Counter {
        #[async_context_manager]
        #[instrument(skip(self))]
        async fn in_trait(&mut self) -> &mut u32 {
            r#yield!(&mut self.0);
        }
    }

    impl Counter {
        #[instrument(skip(self, by))]
        #[async_context_manager]
        async fn above<T: Into<u32>>(&mut self, by: T) -> &mut u32 {
            self.0 += by.into();
            r#yield!(&mut self.0);
        }

        #[async_context_manager]
        #[instrument(skip(by))]
        async fn below(&mut self, by: impl Into<u32>) -> &mut u32 {
            self.0 += by.into();
            r#yield!(&mut self.0);
        }
    }

    #[tokio::test]
    async fn have_spans() {
        let mut counter = Counter(1);
        let run = async {
            with!(counter.above(2_u8) as _ => { info!("block") });
            with!(counter.below(3_u8) as _ => { info!("block") });
            with!(counter.in_trait() as count => { info!("block"); *count })
        };
        let events = ["above: block", "below{self=Counter(3)}: block", "in_trait: block"].map(str::to_owned);
        assert_eq!(recorded(run).await, (6, events.to_vec()));
    }
}

context_managers! {
    #[instrument]
    #[async_context_manager]
    async fn bare_above() -> u32 {
        yield!(1);
    }

    #[async_context_manager]
    #[instrument]
    async fn bare_below() -> u32 {
        yield!(2);
    }
}

#[async_context_manager]
#[cfg_attr(all(), instrument)]
async fn sometimes() {
    r#yield!();
}

#[async_context_manager]
#[cfg_attr(any(), instrument)]
async fn never() {
    r#yield!();
}

#[instrument(fields(outer))]
#[async_context_manager]
#[instrument(name = "second")]
async fn twice() {
    r#yield!();
}

#[tokio::test]
async fn other_ways_to_write_it() {
    let run = async {
        with!(bare_above() as one, bare_below() as two => info!("{}", one + two));
        with!(sometimes() => info!("block"));
        with!(never() => info!("block"));
        with!(twice() => info!("block"));
    };
    let events = ["bare_above: bare_below: 3", "sometimes: block", "block", "second: twice: block"];
    assert_eq!(recorded(run).await.1, events);
}

mod around_within {
    use super::*;

    #[async_context_manager]
    async fn number(value: u32) -> Result<u32, Failed> {
        info!("entering {value}");
        r#yield!(value);
        info!("leaving {value}");
        if value == 9 { Err(Failed("nine")) } else { Ok(()) }
    }

    in_both_orders! {
        #[instrument(err, ret, skip_all, fields(value))]
        #[within(number(value) as first, number(first + 1) as _)]
        async fn doubled(value: u32) -> Result<u32, Failed> {
            yields(1).await;
            info!("block");
            if value == 0 {
                return Err(Failed("zero"));
            }
            Ok(first * 2)
        }
    }

    const ALL: [&str; 5] = ["entering 1", "entering 2", "block", "leaving 2", "leaving 1"];

    #[tokio::test]
    async fn the_span_covers_the_managers() {
        let events: Vec<_> = ALL.iter().map(|event| format!("doubled: {event}")).collect();
        let with = |last: &str| events.iter().cloned().chain([format!("doubled: {last}")]).collect::<Vec<_>>();
        assert_eq!(recorded(above::doubled(1)).await, (Ok(2), with("return=2")));
        assert_eq!(recorded(below::doubled(1)).await, (Ok(2), with("return=2")));
    }

    #[tokio::test]
    async fn err_records_the_errors_of_the_managers() {
        let (output, events) = recorded(above::doubled(9)).await;
        assert_eq!(output, Err(Failed("nine")));
        assert_eq!(events.last().map(String::as_str), Some("doubled: error=nine"));
        let (output, events) = recorded(below::doubled(9)).await;
        assert_eq!(output, Err(Failed("nine")));
        assert_eq!(events.last().map(String::as_str), Some("doubled: error=nine"));
    }
}
