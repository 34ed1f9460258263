//! Writes down each event, with the spans that it is in.

use std::fmt::{Debug, Write};

use tests::Log;
use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

struct Events(Log);

/// The fields of a span or of an event.
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let space = if self.0.is_empty() { "" } else { " " };
        match field.name() {
            "message" => write!(self.0, "{space}{value:?}"),
            name => write!(self.0, "{space}{name}={value:?}"),
        }
        .expect("there is room");
    }
}

impl<S: Subscriber + for<'l> LookupSpan<'l>> Layer<S> for Events {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields(String::new());
        attributes.record(&mut fields);
        context.span(id).expect("the new span").extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).expect("a span");
        values.record(span.extensions_mut().get_mut::<Fields>().expect("its fields"));
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut path = String::new();
        for span in context.event_scope(event).into_iter().flatten().collect::<Vec<_>>().into_iter().rev() {
            let extensions = span.extensions();
            let Fields(fields) = extensions.get().expect("its fields");
            let fields = if fields.is_empty() { String::new() } else { format!("{{{fields}}}") };
            write!(path, "{}{fields}: ", span.name()).expect("there is room");
        }
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        self.0.add(format!("{path}{}", fields.0));
    }
}

/// Awaits a future. Returns its output, and the events in it.
pub(crate) async fn recorded<F: Future>(future: F) -> (F::Output, Vec<String>) {
    let log = Log::new();
    let subscriber = Registry::default().with(Events(log.clone()));
    let output = future.with_subscriber(subscriber).await;
    (output, log.take())
}
