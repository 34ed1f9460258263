//! Reports the results of a run, and whether anything was lost.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use async_context_manager::rescue;

use crate::Error;
use crate::clients::Ends;
use crate::lifespan::CONNECTIONS;
use crate::metrics::Counts;

/// The events at the start and the end of a service.
const EVENTS: [&str; 7] = [
    "the pool is open",
    "the tables are there",
    "the service is up",
    "it was told to stop, and has answered all requests",
    "what clients had left is completed",
    "the journal is complete, and no task is left",
    "the pool is closed",
];

/// A group of clients, and what the service has done for them.
pub(crate) struct Row {
    what: &'static str,
    pub(crate) ends: Ends,
    pub(crate) committed: u64,
    pub(crate) rolled_back: u64,
}

/// A value at the beginning, and at the end.
#[derive(Default)]
pub(crate) struct Change<T> {
    pub(crate) before: T,
    pub(crate) after: T,
}

#[derive(Default)]
pub(crate) struct Report {
    pub(crate) counts: Arc<Counts>,
    pub(crate) rows: Vec<Row>,
    /// The page `/metrics` while clients have gone whose transactions are not rolled back yet.
    pub(crate) page: String,
    /// The process numbers of the connections in the pool, when all clients have gone.
    pub(crate) connections: Change<BTreeSet<i32>>,
    pub(crate) cents: Change<i64>,
    /// The numbers of transfers and of lines in the journal that the database has in the end.
    pub(crate) transfers: i64,
    pub(crate) journal: i64,
    /// The events at the start and the end of the service.
    pub(crate) events: Vec<&'static str>,
}

impl Report {
    /// Adds a row with the transactions since the last row.
    pub(crate) fn add(&mut self, what: &'static str, ends: Ends) {
        let committed = self.committed() - self.rows.iter().map(|row| row.committed).sum::<u64>();
        let rolled_back = self.rolled_back() - self.rows.iter().map(|row| row.rolled_back).sum::<u64>();
        self.rows.push(Row { what, ends, committed, rolled_back });
    }

    fn committed(&self) -> u64 {
        self.counts.committed.load(Relaxed)
    }

    fn rolled_back(&self) -> u64 {
        self.counts.rolled_back.load(Relaxed)
    }

    fn kept(&self) -> usize {
        self.connections.before.intersection(&self.connections.after).count()
    }

    fn visits(&self) -> u64 {
        self.counts.visits.load(Relaxed)
    }

    /// The claims of the program.
    fn claims(&self) -> [(&'static str, bool); 6] {
        let rescues = rescue::metrics();
        let failures = (rescues.failed, rescues.cut, self.counts.losses.load(Relaxed));
        [
            ("each connection of the pool was kept", self.kept() == CONNECTIONS as usize),
            ("no money was lost", self.cents.before == self.cents.after),
            (
                "the database has each transaction that was committed",
                u64::try_from(self.transfers) == Ok(self.committed()),
            ),
            ("the journal has each request", u64::try_from(self.journal) == Ok(self.visits())),
            ("each rescue came to its end", rescues.begun == rescues.ended && failures == (0, 0, 0)),
            ("the service was started and stopped in order", self.events == EVENTS),
        ]
    }

    /// Fails if a claim is wrong.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong: Vec<_> = self.claims().iter().filter(|(_, holds)| !holds).map(|(claim, _)| *claim).collect();
        if wrong.is_empty() { Ok(()) } else { Err(format!("this is wrong: {}", wrong.join("; ")).into()) }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<40}requests  {:<25}committed  rolled back", "what clients do", "ended")?;
        for Row { what, ends, committed, rolled_back } in &self.rows {
            writeln!(f, "{what:<40}{:<10}{ends:<25}{committed:<11}{rolled_back}", ends.total())?;
        }
        writeln!(f, "\nconnections of the pool, of {CONNECTIONS}: {} are the same as before", self.kept())?;
        writeln!(f, "cents in all accounts: {} before, {} after", self.cents.before, self.cents.after)?;
        writeln!(f, "transfers in the database: {}, committed by the service: {}", self.transfers, self.committed())?;
        writeln!(f, "lines in the journal: {}, requests in a handler: {}", self.journal, self.visits())?;
        let rescues = rescue::metrics();
        writeln!(f, "rescues: {} begun, {} ended, {} failed", rescues.begun, rescues.ended, rescues.failed)?;
        writeln!(f, "\n/metrics, after 20 clients have hung up and while their rows are locked:\n\n{}", self.page)?;
        writeln!(f, "what the service has done, in order:")?;
        self.events.iter().try_for_each(|event| writeln!(f, "  {event}"))
    }
}
