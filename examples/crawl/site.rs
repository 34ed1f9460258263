//! A server with the hosts of the example `crawler`. Their pages need a session. Some link in circles, and some fail.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_context_manager::{TaskGroupError, async_context_manager, task_group, with};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use super::Error;
use super::http::{read_head, respond};

#[derive(Clone, Copy)]
enum Answer {
    /// Links to other pages.
    Links(&'static str),
    /// The same after some time.
    Slow(&'static str),
    Status(u16),
    /// Half of what is announced. Then the connection is closed.
    Cut,
    /// A page that never ends.
    Endless,
    /// Nothing, for ever.
    Silent,
}

const PAGES: [(&str, Answer); 10] = [
    ("a.test/", Answer::Links("a.test/ a.test/slow b.test/ c.test/ c.test/endless c.test/silent")),
    ("a.test/slow", Answer::Slow("a.test/ b.test/1")),
    ("b.test/", Answer::Links("a.test/ b.test/1 b.test/broken b.test/cut d.test/")),
    ("b.test/1", Answer::Links("b.test/2 c.test/")),
    ("b.test/2", Answer::Links("b.test/1 b.test/missing")),
    ("b.test/broken", Answer::Status(500)),
    ("b.test/cut", Answer::Cut),
    ("c.test/", Answer::Links("c.test/ b.test/2")),
    ("c.test/endless", Answer::Endless),
    ("c.test/silent", Answer::Silent),
];

pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    sessions: Mutex<HashSet<String>>,
    /// The number of requests that wait for a page that never ends.
    hanging: watch::Sender<usize>,
}

impl Site {
    /// The number of sessions that are open.
    pub(crate) fn sessions(&self) -> usize {
        self.lock().len()
    }

    /// Waits until so many requests wait for a page that never ends.
    pub(crate) async fn hangs(&self, count: usize) {
        self.hanging.subscribe().wait_for(|hanging| *hanging == count).await.expect("the site has the sender");
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Each host has one session, which has its name.
    fn answer(&self, host: &str, path: &str) -> Answer {
        let mut sessions = self.lock();
        match path {
            "login" if host == "d.test" => Answer::Status(503),
            "login" if sessions.insert(host.to_string()) => Answer::Links(""),
            "logout" if sessions.remove(host) => Answer::Links(""),
            _ if !sessions.contains(host) => Answer::Status(401),
            _ => {
                PAGES.iter().find(|page| page.0 == format!("{host}/{path}")).map_or(Answer::Status(404), |page| page.1)
            }
        }
    }

    /// Answers the one request of a connection. Fails if the client closes it.
    async fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        let head = read_head(&mut stream).await?;
        // GET http://host/path HTTP/1.0
        let mut words = head.split(['/', ' ']).skip(3);
        let (host, path) = words.next().zip(words.next()).unwrap_or_default();
        match self.answer(host, path) {
            Answer::Links(links) => respond(&mut stream, 200, links.len(), links).await,
            Answer::Slow(links) => {
                sleep(Duration::from_millis(50)).await;
                respond(&mut stream, 200, links.len(), links).await
            }
            Answer::Status(status) => respond(&mut stream, status, 0, "").await,
            Answer::Cut => respond(&mut stream, 200, 20, "a.test/ b.").await,
            hangs @ (Answer::Endless | Answer::Silent) => {
                self.hanging.send_modify(|hanging| *hanging += 1);
                let ended = hang(&mut stream, matches!(hangs, Answer::Endless)).await;
                self.hanging.send_modify(|hanging| *hanging -= 1);
                ended
            }
        }
    }
}

/// Goes on until the client closes the connection. It sends a page without an end, or waits.
async fn hang(stream: &mut BufReader<TcpStream>, is_endless: bool) -> io::Result<()> {
    if is_endless {
        respond(stream, 200, usize::MAX, "").await?;
        loop {
            stream.write_all(b"more ").await?;
            sleep(Duration::from_millis(10)).await;
        }
    }
    stream.read_u8().await.map(drop)
}

/// The server. It is stopped afterwards.
#[async_context_manager]
pub(crate) async fn site() -> Result<&Site, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let ended = with!(task_group::<io::Error>() as group, {
        let site = Arc::new(Site { address, sessions: Mutex::default(), hanging: watch::Sender::new(0) });
        let (server, connections) = (site.clone(), group.clone());
        group.spawn::<(), _>(async move {
            loop {
                let (stream, _) = listener.accept().await?;
                let server = server.clone();
                connections.spawn(async move {
                    _ = server.serve(stream).await; // it fails when the crawler closes the connection
                    Ok(())
                });
            }
        });
        r#yield!(&site);
        group.abort_all();
    });
    Ok(ended.map_err(TaskGroupError::into_first)?)
}
