//! The parts of the example `crawler` without managers: a server to crawl, requests, and a report.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use async_context_manager::TaskGroupError;
use tokio::sync::watch;

mod http;
mod site;
pub(crate) use http::request;
pub(crate) use site::site;

/// Why a page was not crawled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("status {0}")]
    Status(u64),
    #[error("closed after {0} of {1} bytes")]
    Cut(u64, u64),
    #[error("took too long")]
    TooLong(#[from] tokio::time::error::Elapsed),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Task(#[from] TaskGroupError<Infallible>),
}

/// The pages that are still to be crawled. Each page enters it once, so a circle of links ends.
pub(crate) struct Queue {
    waiting: VecDeque<String>,
    known: HashSet<String>,
    hosts: HashSet<String>,
}

impl Queue {
    pub(crate) fn new(first: &str) -> Self {
        let mut queue = Self { waiting: VecDeque::new(), known: HashSet::new(), hosts: HashSet::new() };
        queue.add(first);
        queue
    }

    /// Adds the links of a page.
    pub(crate) fn add(&mut self, links: &str) {
        let new = links.split_whitespace().map(String::from).filter(|link| self.known.insert(link.clone()));
        self.waiting.extend(new);
    }

    pub(crate) fn pop(&mut self) -> Option<String> {
        self.waiting.pop_front()
    }

    /// Returns the host of a page, unless an earlier call has returned it.
    pub(crate) fn new_host(&mut self, url: &str) -> Option<String> {
        let host = url.split('/').next()?.to_string();
        self.hosts.insert(host.clone()).then_some(host)
    }
}

/// The results of a crawl.
#[derive(Default)]
pub(crate) struct Report {
    crawled: BTreeSet<String>,
    failed: BTreeMap<String, String>,
    /// How many things of each kind were opened, and closed.
    opened: BTreeMap<&'static str, usize>,
    closed: BTreeMap<&'static str, usize>,
}

impl Report {
    pub(crate) fn crawled(&self) -> usize {
        self.crawled.len()
    }

    /// Returns whether all that was opened has been closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.opened == self.closed
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for url in &self.crawled {
            writeln!(f, "  {url:<15}crawled")?;
        }
        for (url, error) in &self.failed {
            writeln!(f, "  {url:<15}failed: {error}")?;
        }
        let closed = self.opened.keys().map(|what| (self.closed.get(what).copied().unwrap_or_default(), what));
        let closed: Vec<_> =
            closed.zip(self.opened.values()).map(|((n, what), of)| format!("{n} of {of} {what}")).collect();
        write!(f, "  closed: {}", closed.join(", "))
    }
}

/// The hosts, as the crawler sees them, and what it has done so far.
pub(crate) struct Web {
    pub(crate) address: SocketAddr,
    /// How long a page may take.
    pub(crate) limit: Duration,
    pub(crate) report: watch::Sender<Report>,
}

impl Web {
    pub(crate) fn crawled(&self, url: String) {
        self.report.send_modify(|report| _ = report.crawled.insert(url));
    }

    pub(crate) fn failed(&self, url: String, error: &Error) {
        self.report.send_modify(|report| _ = report.failed.insert(url, error.to_string()));
    }

    pub(crate) fn opened(&self, what: &'static str) {
        self.report.send_modify(|report| *report.opened.entry(what).or_default() += 1);
    }

    pub(crate) fn closed(&self, what: &'static str) {
        self.report.send_modify(|report| *report.closed.entry(what).or_default() += 1);
    }

    /// Waits until so many pages were crawled, or have failed.
    pub(crate) async fn has_tried(&self, pages: usize) {
        let mut report = self.report.subscribe();
        report
            .wait_for(|report| report.crawled.len() + report.failed.len() == pages)
            .await
            .expect("the sender is in `self`");
    }
}
