//! Clients of servers: httpx, aiohttp, aiobotocore, websockets, and the MCP SDK over HTTP.

use std::vec::IntoIter;

use async_context_manager::{AsyncContextManager, AsyncExitStack, Outcome, async_context_manager, task_group, with};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::trace::{Ended, Error, Trace};

/// A stand-in for a response.
pub(super) struct Response {
    t: Trace,
    chunks: IntoIter<&'static [u8]>,
}

impl Response {
    async fn chunk(&mut self) -> Option<&'static [u8]> {
        self.t.op("read").await;
        self.chunks.next()
    }

    async fn close(self) {
        self.t.op("close response").await;
    }
}

async fn send(t: &Trace) -> Response {
    t.op("send request").await;
    Response { t: t.clone(), chunks: vec![&b"ab"[..], b"c"].into_iter() }
}

/// httpx: `client.stream(..)`.
#[async_context_manager]
pub(super) async fn stream(t: &Trace) -> &mut Response {
    let mut response = send(t).await;
    r#yield!(&mut response);
    response.close().await;
}

pub(super) async fn c13_httpx_stream(t: &Trace) -> Ended {
    with!(stream(t) as response => {
        let mut size = 0;
        while let Some(chunk) = response.chunk().await {
            size += u32::try_from(chunk.len()).expect("it is small");
        }
        Ok(size + t.work().await?)
    })
}

/// aiohttp: the session, and the context of one request.
struct ClientSession<'t>(&'t Trace);

impl ClientSession<'_> {
    #[async_context_manager]
    async fn get(&self) -> &mut Response {
        with!(stream(self.0) as response => {
            r#yield!(response);
        });
    }

    async fn close(self) {
        self.0.op("close connector").await;
    }
}

#[async_context_manager]
async fn client_session(t: &Trace) -> &ClientSession<'_> {
    let session = ClientSession(t);
    r#yield!(&session);
    session.close().await;
}

pub(super) async fn c14_aiohttp_session(t: &Trace) -> Ended {
    with!(client_session(t) as session => {
        with!(session.get() as response => {
            response.chunk().await;
            t.work().await
        })
    })
}

/// A stand-in for the client of an AWS service.
struct BotoClient(Trace);

impl AsyncContextManager for BotoClient {
    type Value<'v> = &'v mut Self;
    type Exit = ();

    async fn enter(&mut self) -> &mut Self {
        self.0.op("open endpoint").await;
        self
    }

    async fn exit(&mut self, _outcome: Outcome) {
        self.0.op("close endpoint").await;
    }
}

/// aiobotocore: creates a client, and enters it.
#[async_context_manager]
async fn created_client(t: &Trace) -> &mut BotoClient {
    t.op("load service model").await;
    with!(BotoClient(t.clone()) as client => {
        r#yield!(client);
    });
}

pub(super) async fn c15_aiobotocore_client(t: &Trace) -> Ended {
    with!(created_client(t) as client => {
        client.0.op("list buckets").await;
        t.work().await
    })
}

/// A stand-in for a transport.
struct Transport {
    t: Trace,
    name: &'static str,
}

impl AsyncContextManager for Transport {
    type Value<'v> = ();
    type Exit = ();

    async fn enter(&mut self) {
        self.t.op(format!("open {}", self.name)).await;
    }

    async fn exit(&mut self, outcome: Outcome) {
        let verb = if outcome.is_completed() { "close" } else { "abort" };
        self.t.op(format!("{verb} {}", self.name)).await;
    }
}

fn transports<const N: usize>(t: &Trace, names: [&'static str; N]) -> Vec<Transport> {
    names.into_iter().map(|name| Transport { t: t.clone(), name }).collect()
}

/// httpx: enters its transports one by one, without a stack.
struct AsyncClient {
    transports: Vec<Transport>,
}

impl AsyncContextManager for AsyncClient {
    type Value<'v> = &'v mut Self;
    type Exit = ();

    async fn enter(&mut self) -> &mut Self {
        for transport in &mut self.transports {
            transport.enter().await;
        }
        self
    }

    async fn exit(&mut self, outcome: Outcome) {
        for transport in &mut self.transports {
            transport.exit(outcome).await;
        }
    }
}

/// A client that is stopped while it opens the second transport leaves the first one open, as in Python.
pub(super) async fn c16_httpx_client(t: &Trace) -> Ended {
    with!(AsyncClient { transports: transports(t, ["direct", "proxy"]) } => t.work().await)
}

/// MCP: a group of sessions. In Python it keeps a stack from `__aenter__` to `__aexit__`.
#[async_context_manager]
async fn session_group(transports: Vec<Transport>) -> Result<usize, Error> {
    let left = with!(AsyncExitStack::new() as stack => {
        for transport in transports {
            stack.enter(transport.into_manager()).await;
        }
        r#yield!(stack.len());
    });
    left.map(drop)
}

pub(super) async fn c16b_mcp_session_group(t: &Trace) -> Ended {
    with!(session_group(transports(t, ["a", "b", "c"])) => t.work().await?)
}

/// A stand-in for a connection.
struct WebSocket(Trace);

impl WebSocket {
    async fn send(&mut self, message: &str) {
        self.0.op(format!("send {message}")).await;
    }

    async fn close(self, code: u16) {
        self.0.op(format!("close {code}")).await;
    }
}

/// websockets: `connect(..)`.
#[async_context_manager]
async fn connect(t: &Trace) -> &mut WebSocket {
    t.op("connect").await;
    let mut ws = WebSocket(t.clone());
    let outcome = r#yield!(&mut ws);
    ws.close(if outcome.is_completed() { 1000 } else { 1011 }).await;
}

/// Python's `async for ws in connect(..)` is a loop.
pub(super) async fn c17_websockets_reconnect(t: &Trace) -> Ended {
    loop {
        with!(connect(t) as ws => {
            ws.send("hello").await;
            match t.work().await {
                Err(Error::Net) => continue,
                worked => return worked,
            }
        });
    }
}

pub(super) async fn c18_websockets_connect(t: &Trace) -> Ended {
    with!(connect(t) as ws => {
        ws.send("hello").await;
        t.work().await
    })
}

/// A stand-in for a client that is costly to open.
struct HttpClient {
    connections: u32,
}

#[async_context_manager]
async fn http_client(t: &Trace) -> &HttpClient {
    t.op("open client").await;
    let client = HttpClient { connections: 1 };
    r#yield!(&client);
    t.op("close client").await;
}

/// Many SDKs: a client that is given stays open, a new one is closed.
#[async_context_manager]
async fn given_or_new(t: &Trace, given: Option<&HttpClient>) -> Result<&HttpClient, Error> {
    let left = with!(AsyncExitStack::new() as stack => {
        let client = match given {
            Some(client) => client,
            None => stack.enter(http_client(t)).await,
        };
        r#yield!(client);
    });
    left.map(drop)
}

pub(super) async fn c19_given_or_new_client(t: &Trace) -> Ended {
    with!(http_client(t) as given, given_or_new(t, Some(given)) as same, given_or_new(t, None) as new => {
        same.connections + new.connections + t.work().await?
    })
}

async fn post_writer(
    t: Trace,
    mut outgoing: UnboundedReceiver<&'static str>,
    server: UnboundedSender<&'static str>,
) -> Result<(), Error> {
    while let Some(message) = outgoing.recv().await {
        t.op(format!("POST {message}")).await;
        server.send(message).map_err(|_closed| Error::Net)?;
    }
    Ok(())
}

async fn sse_reader(
    t: Trace,
    mut server: UnboundedReceiver<&'static str>,
    incoming: UnboundedSender<String>,
    started: oneshot::Sender<()>,
) -> Result<(), Error> {
    t.op("endpoint").await;
    started.send(()).map_err(|()| Error::Net)?;
    while let Some(message) = server.recv().await {
        t.op("event").await;
        incoming.send(format!("answer to {message}")).map_err(|_closed| Error::Net)?;
    }
    Ok(())
}

#[async_context_manager]
async fn sse_session(t: &Trace) {
    t.op("GET /sse").await;
    r#yield!();
    t.op("DELETE session").await;
}

/// MCP: gives two streams, which two tasks serve. The enter phase waits for one of them. The session is a manager so
/// that it is deleted if the time is over in that enter phase.
#[async_context_manager]
async fn sse_client(t: &Trace) -> Result<(UnboundedReceiver<String>, UnboundedSender<&'static str>), Error> {
    let (incoming, read) = unbounded_channel();
    let (write, outgoing) = unbounded_channel();
    let (server, events) = unbounded_channel();
    let (started, has_started) = oneshot::channel();
    let served = with!(sse_session(t), task_group() as group => {
        group.spawn(post_writer(t.child("writer"), outgoing, server));
        group.spawn(sse_reader(t.child("reader"), events, incoming, started));
        has_started.await.map_err(|_closed| Error::Net)?;
        r#yield!((read, write));
        group.abort_all();
    });
    Ok(served?)
}

pub(super) async fn c12_mcp_sse_client(t: &Trace) -> Ended {
    with!(sse_client(t) as (mut read, write) => {
        write.send("ping").map_err(|_closed| Error::Net)?;
        t.log(read.recv().await.ok_or(Error::Net)?);
        t.work().await?
    })
}
