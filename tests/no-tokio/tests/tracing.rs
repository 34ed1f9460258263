//! The feature `tracing`: an event for what is lost, and rescues in the span that their manager was entered in.

#![forbid(unsafe_code)]

use std::fmt::{Debug, Write};
use std::future::pending;

use async_context_manager::{async_context_manager, rescue, with};
use futures::executor::block_on as block_on_with_threads;
use tests::{Log, drop_after, in_child, yields};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber, info, info_span};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

/// Writes down each event, and in what span it is.
struct Events(Log);

impl<S: Subscriber + for<'l> LookupSpan<'l>> Layer<S> for Events {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let span = context.event_span(event).map_or("no span", |span| span.name());
        let mut fields = Fields(format!("{} in {span}:", event.metadata().level()));
        event.record(&mut fields);
        self.0.add(fields.0);
    }
}

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").expect("there is room");
    }
}

/// A subscriber, and what it is told.
fn events() -> (impl Subscriber + Send + Sync, Log) {
    let log = Log::new();
    (Registry::default().with(Events(log.clone())), log)
}

/// Tells that it is left, on another thread, and fails then.
#[async_context_manager(shielded)]
async fn fails(name: &'static str) -> Result<(), u8> {
    r#yield!();
    info!("{name} is left");
    yields(1).await;
    info!("{name} fails");
    Err(5)
}

#[async_context_manager]
async fn plain() -> Result<(), u8> {
    r#yield!();
    Err(5)
}

fn drain() {
    block_on_with_threads(rescue::drain());
}

/// Runs a test in a process of its own: what it says on standard error.
fn alone(test: &str, run: impl FnOnce()) -> String {
    let child = in_child(test, run);
    let said = String::from_utf8_lossy(&child.stderr).into_owned();
    assert!(child.status.success(), "{said}");
    said
}

const LOST: &str =
    "message=`fails` failed after a cancellation; its error is lost manager=\"fails\" kind=Failed error=5";

#[test]
fn what_is_lost_is_an_event_with_the_managers_name_in_the_span_it_was_entered_in() {
    let said = alone("what_is_lost_is_an_event_with_the_managers_name_in_the_span_it_was_entered_in", || {
        let (subscriber, log) = events();
        tracing::subscriber::set_global_default(subscriber).expect("it is the first");
        let request = info_span!("request");
        request.in_scope(|| drop_after(1, async { with!(fails("it") => pending::<()>().await) }));
        drain();
        let lost = format!("ERROR in request: {LOST}");
        assert_eq!(log.take(), ["INFO in request: message=it is left", "INFO in request: message=it fails", &lost]);
    });
    assert!(said.is_empty(), "{said}");
}

#[test]
fn the_field_error_has_the_error_with_its_sources() {
    #[derive(Debug)]
    struct DbError(std::num::ParseIntError);

    impl std::fmt::Display for DbError {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the database is gone")
        }
    }

    impl std::error::Error for DbError {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    #[async_context_manager]
    async fn fails_on_its_way_out() -> Result<(), DbError> {
        r#yield!();
        "x".parse::<u8>().map(drop).map_err(DbError)
    }

    alone("the_field_error_has_the_error_with_its_sources", || {
        let (subscriber, log) = events();
        tracing::subscriber::with_default(subscriber, || {
            drop_after(1, async { with!(fails_on_its_way_out() => pending::<()>().await).is_ok() });
        });
        let [event] = &log.take()[..] else { panic!("there is one") };
        assert!(event.ends_with(" error=the database is gone: invalid digit found in string"), "{event}");
    });
}

#[test]
fn dropped_in_another_span_it_is_left_in_its_own() {
    alone("dropped_in_another_span_it_is_left_in_its_own", || {
        let (subscriber, log) = events();
        tracing::subscriber::set_global_default(subscriber).expect("it is the first");
        let mut with = Box::pin(async { with!(fails("it") => pending::<()>().await) });
        info_span!("request").in_scope(|| assert!(futures::FutureExt::now_or_never(&mut with).is_none()));
        info_span!("other").in_scope(|| drop(with));
        drain();
        assert_eq!(log.take()[..2], ["INFO in request: message=it is left", "INFO in request: message=it fails"]);
    });
}

#[test]
fn each_of_nested_ones_is_left_in_its_own_span() {
    alone("each_of_nested_ones_is_left_in_its_own_span", || {
        let (subscriber, log) = events();
        tracing::subscriber::set_global_default(subscriber).expect("it is the first");
        let mut inner = Box::pin(async { with!(fails("inner") => pending::<()>().await) });
        let outer = async {
            with!(fails("outer") => {
                info_span!("inside").in_scope(|| assert!(futures::FutureExt::now_or_never(&mut inner).is_none()));
                let _inner = inner;
                pending::<()>().await;
            })
        };
        info_span!("outside").in_scope(|| drop_after(1, outer));
        drain();
        let mut events = log.take();
        events.retain(|event| event.starts_with("INFO"));
        assert_eq!(
            events,
            [
                "INFO in inside: message=inner is left",
                "INFO in inside: message=inner fails",
                "INFO in outside: message=outer is left",
                "INFO in outside: message=outer fails",
            ]
        );
    });
}

#[test]
fn what_a_plain_one_loses_is_an_event_as_well_and_goes_to_the_hook_too() {
    let said = alone("what_a_plain_one_loses_is_an_event_as_well_and_goes_to_the_hook_too", || {
        let (subscriber, log) = events();
        let hooked = Log::new();
        let told = hooked.clone();
        rescue::set_hook(move |loss| told.add(loss.manager()));
        tracing::subscriber::with_default(subscriber, || {
            drop_after(1, async { with!(plain() => pending::<()>().await) });
        });
        assert_eq!(log.take(), [format!("ERROR in no span: {}", LOST.replace("fails", "plain"))]);
        assert_eq!(hooked.take(), ["plain"]);
    });
    assert!(said.is_empty(), "{said}");
}

#[test]
fn without_a_subscriber_it_is_on_standard_error() {
    let said = alone("without_a_subscriber_it_is_on_standard_error", || {
        drop_after(1, async { with!(fails("it") => pending::<()>().await) });
        drain();
    });
    assert_eq!(said, "async-context-manager: `fails` failed after a cancellation; its error is lost: 5\n");
}

#[test]
fn with_one_for_another_thread_only_it_is_on_standard_error() {
    let said = alone("with_one_for_another_thread_only_it_is_on_standard_error", || {
        let (subscriber, log) = events();
        tracing::subscriber::with_default(subscriber, || {
            drop_after(1, async { with!(fails("it") => pending::<()>().await) });
            drain();
        });
        assert!(log.take().is_empty());
    });
    assert_eq!(said, "async-context-manager: `fails` failed after a cancellation; its error is lost: 5\n");
}

#[test]
fn a_span_takes_its_subscriber_along() {
    let said = alone("a_span_takes_its_subscriber_along", || {
        let (subscriber, log) = events();
        tracing::subscriber::with_default(subscriber, || {
            info_span!("request").in_scope(|| drop_after(1, async { with!(fails("it") => pending::<()>().await) }));
        });
        drain();
        assert_eq!(log.take()[2], format!("ERROR in request: {LOST}"));
    });
    assert!(said.is_empty(), "{said}");
}

#[test]
fn a_subscriber_that_panics_does_no_harm() {
    struct Panics;

    impl<S: Subscriber> Layer<S> for Panics {
        fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
            assert_ne!(event.metadata().level(), &tracing::Level::ERROR, "of the subscriber");
        }
    }
    let said = alone("a_subscriber_that_panics_does_no_harm", || {
        tracing::subscriber::set_global_default(Registry::default().with(Panics)).expect("it is the first");
        drop_after(1, async { with!(plain() => pending::<()>().await) });
        drop_after(1, async { with!(fails("it") => pending::<()>().await) });
        drop_after(1, async { with!(fails("it") => pending::<()>().await) });
        drain();
    });
    assert_eq!(said.matches("of the subscriber").count(), 3, "{said}");
}

#[test]
fn what_a_panic_says_is_the_field_error() {
    #[async_context_manager(shielded)]
    async fn panics() {
        r#yield!();
        panic!("of the exit phase");
    }
    let said = alone("what_a_panic_says_is_the_field_error", || {
        let (subscriber, log) = events();
        tracing::subscriber::set_global_default(subscriber).expect("it is the first");
        drop_after(1, async { with!(panics() => pending::<()>().await) });
        drain();
        let events = log.take();
        let message = "message=`panics` panicked after a cancellation";
        let all = format!("ERROR in no span: {message} manager=\"panics\" kind=Panicked error=of the exit phase");
        assert_eq!(events, [all]);
    });
    assert!(said.contains("of the exit phase"), "{said}");
}
