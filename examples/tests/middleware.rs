//! `graceful` as a middleware: the ways to write it, and what it reaches.

#![forbid(unsafe_code)]

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_context_manager::{async_context_manager, graceful, stop_when, with};
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::routing::{Router, get};
use futures_util::{FutureExt, stream};
use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;
use tower::buffer::Buffer;
use tower::util::MapFutureLayer;
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
use tower_http::timeout::TimeoutLayer;

const LIMIT: Duration = Duration::from_secs(1);

/// Is notified when the session has ended.
type Ended = Arc<Notify>;

#[async_context_manager]
async fn session(ended: &Ended) {
    r#yield!();
    yield_now().await;
    ended.notify_one();
}

async fn endless_session(ended: Ended) {
    with!(session(&ended), { pending::<()>().await });
}

async fn handler(State(ended): State<Ended>) {
    endless_session(ended).await;
}

/// Sends a request, waits for the answer with its body, and hangs up after a limit. Returns whether the session has then
/// ended.
async fn is_left(app: Router<Ended>) -> bool {
    let ended = Ended::default();
    let answer = async {
        let response =
            app.with_state(ended.clone()).oneshot(Request::new(Body::empty())).await.expect("it does not fail");
        to_bytes(response.into_body(), usize::MAX).await
    };
    drop(timeout(2 * LIMIT, answer).await);
    timeout(LIMIT, ended.notified()).await.is_ok() // the time is virtual, and stands still while anything can run
}

fn time_limit() -> TimeoutLayer {
    TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, LIMIT)
}

/// A server with one handler, and with the layer around it.
fn with_layer<H: Handler<T, Ended>, T: 'static>(handler: H) -> Router<Ended> {
    Router::new().route("/", get(handler)).layer(MapFutureLayer::new(graceful))
}

#[tokio::test(start_paused = true)]
async fn each_way_to_write_it_leaves_the_handler() {
    let app = || Router::new().route("/", get(handler));
    let ways = [
        app().layer(MapFutureLayer::new(graceful)),
        app().layer(MapFutureLayer::new(|future| graceful(future).within(LIMIT))),
        app().layer(ServiceBuilder::new().map_future(graceful)),
        app().layer(from_fn(|request: Request, next: Next| graceful(next.run(request)))),
        Router::new().route("/", get(handler).layer(MapFutureLayer::new(graceful))),
        Router::new().route("/", get(|ended| graceful(handler(ended)))),
    ];
    for way in ways {
        assert!(is_left(way).await);
    }
    assert!(!is_left(app()).await);
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_must_be_outside_of_it() {
    let app = || Router::new().route("/", get(handler));
    assert!(is_left(app().layer(MapFutureLayer::new(graceful)).layer(time_limit())).await);
    assert!(is_left(app().layer(ServiceBuilder::new().layer(time_limit()).map_future(graceful))).await);
    assert!(!is_left(app().layer(time_limit()).layer(MapFutureLayer::new(graceful))).await);
}

/// A `Buffer` calls its service in a task of its own, but the caller polls the answer. So a stop reaches what is in it.
#[tokio::test(start_paused = true)]
async fn a_stop_reaches_a_handler_behind_a_buffer() {
    let ended = Ended::default();
    let service = Buffer::new(
        service_fn(|ended: Ended| async move {
            endless_session(ended).await;
            Ok::<_, BoxError>(())
        }),
        1,
    );
    let answer = with!(async_context_manager::timeout(LIMIT), {
        service.oneshot(ended.clone()).await.expect("it does not fail");
    });
    assert!(answer.is_err());
    assert!(ended.notified().now_or_never().is_some(), "it was awaited in place");
}

#[tokio::test(start_paused = true)]
async fn the_body_of_an_answer_is_outside_of_it() {
    /// A body with one part, which is never ready.
    fn body(part: impl Future<Output = ()> + Send + 'static) -> Body {
        Body::from_stream(stream::once(part.map(|()| Ok::<_, Infallible>(""))))
    }
    assert!(!is_left(with_layer(async |State(ended)| body(endless_session(ended)))).await);
    assert!(is_left(with_layer(async |State(ended)| body(graceful(endless_session(ended))))).await);
}

#[tokio::test(start_paused = true)]
async fn a_task_can_notice_that_nobody_reads_the_body() {
    async fn export(State(ended): State<Ended>) -> Body {
        let (rows, mut received) = mpsc::channel(1);
        tokio::spawn(async move {
            with!(stop_when(rows.closed()), {
                with!(session(&ended), {
                    rows.send(Ok::<_, Infallible>("row")).await.ok();
                    pending::<()>().await; // for the next row
                });
            });
        });
        Body::from_stream(stream::poll_fn(move |cx| received.poll_recv(cx)))
    }
    assert!(is_left(Router::new().route("/", get(export))).await);
}

#[tokio::test(start_paused = true)]
async fn a_task_is_outside_of_it() {
    async fn in_a_set(future: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = JoinSet::new();
        tasks.spawn(future);
        tasks.join_next().await;
    }
    assert!(!is_left(with_layer(async |State(ended)| in_a_set(endless_session(ended)).await)).await);
    assert!(is_left(with_layer(async |State(ended)| in_a_set(graceful(endless_session(ended))).await)).await);
}
