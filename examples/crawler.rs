//! A crawler with few workers, a limit for each page, and a stop for the whole. What it opens when it first needs it is on an
//! exit stack: a file, and a session with each host. All that it opens is closed, whatever the hosts do.
//!
//! `cargo run -p examples --example crawler`

#![forbid(unsafe_code)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{env, process};

use async_context_manager::{AsyncExitStack, async_context_manager, stop_when, task_group, timeout, with};
use futures_util::future::join;
use tokio::fs::{self, File};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

mod crawl;
use crawl::{Error, Queue, Web, request, site};

/// How many pages are fetched at a time.
const WORKERS: usize = 4;

// ---- The managers ------------------------------------------------------------

/// A connection for one request.
#[async_context_manager]
async fn connection(web: &Web) -> Result<&mut BufReader<TcpStream>, Error> {
    let mut stream = BufReader::new(TcpStream::connect(web.address).await?);
    web.opened("connections");
    r#yield!(&mut stream);
    _ = stream.shutdown().await; // fails if the server has closed the connection
    web.closed("connections");
    Ok(())
}

/// A session with a host, which shows no page without it.
#[async_context_manager]
async fn session(web: &Web, host: String) -> Result<(), Error> {
    fetch(web, &format!("{host}/login")).await?;
    web.opened("sessions");
    r#yield!();
    fetch(web, &format!("{host}/logout")).await?;
    web.closed("sessions");
    Ok(())
}

/// The file with the addresses of the pages. Its last line shows that it is complete.
#[async_context_manager]
async fn output(web: &Web, path: &Path) -> Result<&mut File, Error> {
    let mut file = File::create(path).await?;
    web.opened("files");
    r#yield!(&mut file);
    file.write_all(b"complete\n").await?;
    file.flush().await?;
    web.closed("files");
    Ok(())
}

// ---- The crawler -------------------------------------------------------------

/// Fetches a page. When the time is over, the request is stopped, and its connection is closed.
async fn fetch(web: &Web, url: &str) -> Result<String, Error> {
    with!(timeout(web.limit), { with!(connection(web) as stream, { request(stream, url).await? }) })?
}

/// Crawls the pages that can be reached from the first one, and writes their addresses to a file.
async fn crawl(web: &Arc<Web>, path: &Path) -> Result<(), Error> {
    with!(AsyncExitStack::new() as stack, {
        with!(task_group() as group, {
            let (sender, mut results) = mpsc::unbounded_channel();
            let (mut queue, mut file, mut running) = (Queue::new("a.test/"), None, 0);
            loop {
                while running < WORKERS
                    && let Some(url) = queue.pop()
                {
                    if let Some(host) = queue.new_host(&url)
                        && let Err(error) = stack.enter(session(web, host)).await
                    {
                        web.failed(url, &error);
                        continue;
                    }
                    let (web, sender) = (web.clone(), sender.clone());
                    group.spawn(async move { Ok(_ = sender.send((fetch(&web, &url).await, url))) });
                    running += 1;
                }
                if running == 0 {
                    break;
                }
                let (page, url) = results.recv().await.expect("there is a sender");
                running -= 1;
                let Ok(page) = page.inspect_err(|error| web.failed(url.clone(), error)) else { continue };
                let file = match &mut file {
                    Some(file) => file,
                    None => file.insert(stack.enter(output(web, path)).await?),
                };
                file.write_all(format!("{url}\n").as_bytes()).await?;
                queue.add(&page);
                web.crawled(url);
            }
        })?;
    })
}

// ---- The program -------------------------------------------------------------

/// Crawls the hosts until no page is left, or until so many were tried and the rest hang. Checks that all is closed.
async fn run(limit: Duration, stop_after: Option<usize>) -> Result<String, Error> {
    with!(site() as site, {
        let web = Arc::new(Web { address: site.address, limit, report: watch::Sender::default() });
        let path = env::temp_dir().join(format!("crawled-{}", process::id()));
        let stop = join(web.has_tried(stop_after.unwrap_or(usize::MAX)), site.hangs(2));
        let ended = with!(stop_when(stop), { crawl(&web, &path).await? });
        let file = fs::read_to_string(&path).await?;
        fs::remove_file(&path).await?;
        let report = &*web.report.borrow();
        assert!(report.is_closed() && site.sessions() == 0, "something was not closed:\n{report}");
        assert!(file.lines().count() == report.crawled() + 1 && file.ends_with("complete\n"), "the file is:\n{file}");
        format!("the crawl {}\n{report}", if ended.is_some() { "has ended" } else { "was stopped" })
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    println!("{}", run(Duration::from_secs(2), None).await?);
    println!("{}", run(Duration::from_mins(1), Some(10)).await?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_is_closed_whatever_the_hosts_do() {
        let whole = run(Duration::from_secs(2), None).await.expect("it runs");
        let stopped = run(Duration::from_mins(1), Some(10)).await.expect("it runs");
        let [cut, late] = ["closed after 10 of 20 bytes", "took too long"];
        assert_eq!(failures(&whole), ["status 500", cut, "status 404", late, late, "status 503"]);
        assert_eq!(failures(&stopped), ["status 500", cut, "status 404", "status 503"]);
        assert!(stopped.starts_with("the crawl was stopped\n"), "{stopped}");
        assert!(stopped.ends_with("  closed: 18 of 18 connections, 1 of 1 files, 3 of 3 sessions"), "{stopped}");
    }

    fn failures(printed: &str) -> Vec<&str> {
        printed.lines().filter_map(|line| Some(line.split_once("failed: ")?.1)).collect()
    }
}
