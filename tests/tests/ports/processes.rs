//! Processes, and tasks for their pipes: the MCP SDK over standard input and output, `subprocess`, a language server.

use async_context_manager::{AsyncExitStack, async_context_manager, closing, task_group, timeout, with};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::sleep;

use super::trace::{Ended, Error, SECOND, Trace};

type Messages = UnboundedReceiver<&'static str>;
type Sender = UnboundedSender<&'static str>;

/// A stand-in for a process that does not end by itself.
struct Process(Trace);

impl Process {
    async fn spawn(t: &Trace) -> Self {
        t.op("spawn").await;
        Self(t.clone())
    }

    async fn wait(&self) {
        self.0.log("wait");
        sleep(10 * SECOND).await;
    }

    /// Gives the process some time to end by itself.
    async fn end(self) {
        self.0.op("close stdin").await;
        if with!(timeout(2 * SECOND) => self.wait().await).is_err() {
            self.0.op("terminate").await;
        }
    }
}

async fn stdin_writer(t: Trace, mut outgoing: Messages, pipe: Sender) -> Result<(), Error> {
    while let Some(message) = outgoing.recv().await {
        t.op(format!("write {message}")).await;
        pipe.send(message).map_err(|_closed| Error::Net)?;
    }
    Ok(())
}

async fn stdout_reader(t: Trace, mut pipe: Messages, incoming: Sender, dies: bool) -> Result<(), Error> {
    if dies && t.fails() {
        sleep(SECOND * 5 / 4).await;
        t.log("end of file");
        return Err(Error::Net);
    }
    while let Some(message) = pipe.recv().await {
        t.op(format!("read {message}")).await;
        incoming.send(message).map_err(|_closed| Error::Net)?;
    }
    Ok(())
}

/// MCP: a process, and two tasks for its pipes.
#[async_context_manager]
async fn stdio_client(t: &Trace, dies: bool) -> Result<(Messages, Sender), Error> {
    let (incoming, read) = unbounded_channel();
    let (write, outgoing) = unbounded_channel();
    let (pipe_in, pipe_out) = unbounded_channel();
    let process = Process::spawn(t).await;
    with!(task_group() as group => {
        group.spawn(stdin_writer(t.child("stdin"), outgoing, pipe_in));
        group.spawn(stdout_reader(t.child("stdout"), pipe_out, incoming, dies));
        r#yield!((read, write));
        process.end().await;
        group.abort_all();
    })?;
    Ok(())
}

pub(super) async fn c02_mcp_stdio_client(t: &Trace) -> Ended {
    with!(stdio_client(t, false) as (mut read, write) => {
        write.send("initialize").map_err(|_closed| Error::Net)?;
        read.recv().await.ok_or(Error::Net)?;
        t.work().await?
    })
}

/// The server dies if the block is to fail, and its reader fails.
pub(super) async fn c02x_mcp_stdio_client_dies(t: &Trace) -> Ended {
    with!(stdio_client(t, true) => t.work().await?)
}

#[async_context_manager]
async fn running_process(t: &Trace) {
    let process = Process::spawn(t).await;
    r#yield!();
    process.end().await;
}

/// The same, with the process in a manager of its own in the block of the group.
#[async_context_manager]
async fn stdio_client_of_parts(t: &Trace) -> Result<(Messages, Sender), Error> {
    let (incoming, read) = unbounded_channel();
    let (pipe_in, pipe_out) = unbounded_channel();
    with!(task_group() as group => {
        with!(running_process(t) => {
            group.spawn(stdout_reader(t.child("stdout"), pipe_out, incoming, true));
            r#yield!((read, pipe_in));
            group.abort_all();
        });
    })?;
    Ok(())
}

pub(super) async fn c02y_mcp_stdio_client_of_parts(t: &Trace) -> Ended {
    with!(stdio_client_of_parts(t) as (mut read, pipe) => {
        if !t.fails() {
            pipe.send("hello").map_err(|_closed| Error::Net)?;
            read.recv().await.ok_or(Error::Net)?;
        }
        t.work().await?
    })
}

/// `try: .. finally: ..` around the work.
pub(super) async fn c20_subprocess(t: &Trace) -> Ended {
    with!(closing(Process::spawn(t).await, Process::end) => t.work().await)
}

/// `try` and `finally` as callbacks on a stack: a directory, and a process in it.
pub(super) async fn c20b_callbacks(t: &Trace) -> Ended {
    with!(AsyncExitStack::<Error>::new() as stack => {
        t.op("mkdtemp").await;
        stack.callback(|| t.op("rmtree"));
        let process = Process::spawn(t).await;
        stack.callback(|| process.end());
        t.work().await?
    })
}

async fn pump(t: Trace, mut outgoing: Messages) {
    while let Some(message) = outgoing.recv().await {
        t.op(format!("write {message}")).await;
    }
}

/// An LSP client: its exit phase still needs the task that writes. A task of a group would be stopped with the block.
#[async_context_manager]
async fn language_server(t: &Trace) -> Result<&Sender, Error> {
    let (outgoing, messages) = unbounded_channel();
    let pumping = tokio::spawn(pump(t.child("pump"), messages));
    r#yield!(&outgoing);
    outgoing.send("shutdown").map_err(|_closed| Error::Net)?;
    drop(outgoing);
    pumping.await.map_err(|_panicked| Error::Net)
}

pub(super) async fn c30_language_server(t: &Trace) -> Ended {
    with!(language_server(t) as outgoing => {
        outgoing.send("initialize").map_err(|_closed| Error::Net)?;
        t.work().await?
    })
}
