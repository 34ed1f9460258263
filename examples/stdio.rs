//! Talks to server processes by their standard input and output, as clients of language servers and of MCP do. A task reads
//! the answers. In the end the task is stopped, the pipes are closed, and the process ends; if it does not, it is killed.
//!
//! `cargo run -p examples --example stdio`

#![forbid(unsafe_code)]

use std::io;
use std::process::Stdio;
use std::time::Duration;

use async_context_manager::{TaskGroupError, async_context_manager, task_group, with};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long a process may take to end when its standard input is closed.
const PATIENCE: Duration = Duration::from_millis(300);

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the server has ended")]
    Ended,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the answers can't be read: {0}")]
    Unreadable(#[from] TaskGroupError<io::Error>),
}

// ---- The managers ------------------------------------------------------------

/// A process. It lends both pipes by value: when the block has ended, they are closed, and the process should end.
#[async_context_manager]
async fn process(script: &str, log: &mut Vec<String>) -> Result<(ChildStdin, ChildStdout), Error> {
    let mut command = Command::new("sh");
    let mut child =
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let pipes = child.stdin.take().zip(child.stdout.take()).expect("both are piped");
    r#yield!(pipes);
    if let Ok(status) = timeout(PATIENCE, child.wait()).await {
        log.push(format!("the process has ended with {}", status?.code().unwrap_or(-1)));
    } else {
        child.kill().await?;
        log.push("the process has not ended, and was killed".to_string());
    }
    Ok(())
}

/// The connection to a server, which the block uses.
struct Client {
    requests: ChildStdin,
    answers: mpsc::Receiver<String>,
}

impl Client {
    async fn ask(&mut self, question: &str) -> Result<String, Error> {
        self.requests.write_all(format!("{question}\n").as_bytes()).await?;
        self.answers.recv().await.ok_or(Error::Ended)
    }
}

/// A process with a task that reads its answers. The task is stopped before the process is left.
#[async_context_manager]
async fn client(script: &str, log: &mut Vec<String>) -> Result<&mut Client, Error> {
    with!(process(script, log) as (requests, stdout), {
        with!(task_group() as group, {
            let (sender, answers) = mpsc::channel(8);
            group.spawn(read(stdout, sender));
            r#yield!(&mut Client { requests, answers });
            group.abort_all();
        })?;
    })
}

/// Passes on each line. Ends when the process closes its standard output.
async fn read(stdout: ChildStdout, answers: mpsc::Sender<String>) -> io::Result<()> {
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        if answers.send(line).await.is_err() {
            break;
        }
    }
    Ok(())
}

// ---- The program -------------------------------------------------------------

/// Ends with its standard input.
const POLITE: &str = "while read -r question; do echo \"$question? yes\"; done; exit 7";
/// Goes on.
const DEAF: &str = "while read -r question; do echo \"$question? yes\"; done; exec sleep 60";
/// Answers once, and crashes.
const CRASHES: &str = "read -r question; echo \"$question? yes\"; exit 9";

async fn talk(script: &str, log: &mut Vec<String>) -> Result<String, Error> {
    with!(client(script, log) as client, {
        let (first, second) = (client.ask("one").await?, client.ask("two").await?);
        format!("{first}, {second}")
    })
}

/// Returns the lines that the program prints.
async fn run() -> Vec<String> {
    let mut lines = Vec::new();
    for (name, script) in [("a polite server", POLITE), ("a deaf server", DEAF), ("a server that crashes", CRASHES)] {
        let mut log = Vec::new();
        let said = talk(script, &mut log).await.unwrap_or_else(|error| format!("failed: {error}"));
        lines.push(format!("{name}: {said}; {}", log.join(", ")));
    }
    lines
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    run().await.iter().for_each(|line| println!("{line}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_process_ends_however_it_behaves() {
        let expected = [
            "a polite server: one? yes, two? yes; the process has ended with 7",
            "a deaf server: one? yes, two? yes; the process has not ended, and was killed",
        ];
        let lines = run().await;
        assert_eq!(lines[..2], expected);
        // It may have crashed before or after the second question was written.
        assert!(lines[2].contains("failed: "), "{}", lines[2]);
        assert!(lines[2].ends_with("the process has ended with 9"), "{}", lines[2]);
    }
}
