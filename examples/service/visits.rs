//! The program: groups of clients, one after the other, and then SIGTERM. Each step waits for an event.

use std::process;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use async_context_manager::{rescue, task_group, timeout, with};
use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::sleep;

use crate::Error;
use crate::clients::{Ends, Site};
use crate::database::{Observer, database, observer, vault_is_locked};
use crate::lifespan::{CONNECTIONS, serve};
use crate::log::Log;
use crate::report::Report;

/// How long the program may take.
const LIMIT: Duration = Duration::from_mins(1);

/// Waits for the row that is locked.
const VAULT: &str = "/transfer/vault/bob/1";

/// Runs the service, with so many clients in the storm. It fails if an event does not come.
pub(crate) async fn run(url: &str, storm: u64) -> Result<Report, Error> {
    with!(timeout(LIMIT), { run_to_the_end(url, storm).await? }).map_err(|_| "an event has not come".into())
}

async fn run_to_the_end(url: &str, storm: u64) -> Result<Report, Error> {
    let (mut report, log) = (Report::default(), Arc::new(Log::default()));
    let counts = report.counts.clone();
    rescue::set_hook(move |loss| {
        eprintln!("{loss}");
        counts.losses.fetch_add(1, Relaxed);
    });
    let ended = with!(database(url) as options, observer(&options) as observer, {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let site = Site(listener.local_addr()?);
        let ends = with!(task_group() as tasks, {
            let (database, counts, log) = (options.clone(), report.counts.clone(), log.clone());
            tasks.spawn(async move { serve(database, listener, counts, &log).await });
            visit(site, observer, &options, &mut report, storm).await?;
            stop(site, observer, &options).await?
        })?;
        report.add("are there when the service is stopped", ends);
        observer.until_disconnected().await?;
        report.cents.after = observer.cents().await?;
        (report.transfers, report.journal) = (observer.transfers().await?, observer.journal().await?);
        report.events = log.events();
        report
    });
    Ok(ended?)
}

/// Sends all requests but the last ones.
async fn visit(
    site: Site,
    observer: &mut Observer,
    options: &PgConnectOptions,
    report: &mut Report,
    storm: u64,
) -> Result<(), Error> {
    site.metrics(&[format!("connections_idle {CONNECTIONS}")]).await?;
    report.connections.before = observer.connections().await?;
    report.cents.before = observer.cents().await?;

    let ends = site.send(10, "/transfer/ann/bob/1").answered().await?;
    report.add("wait for the answer", settled(site, ends).await?);
    let ends = site.send(10, "/transfer/ann/bob/1000000").answered().await?;
    report.add("ask for more than there is", settled(site, ends).await?);

    let ends = with!(vault_is_locked(options), {
        let requests = site.send(20, VAULT);
        observer.until_waiting(10).await?; // and the others wait for their turn
        site.metrics(&["requests_in_flight 20".into()]).await?;
        let ends = requests.hang_up().await;
        report.page = site.metrics(&["requests_in_flight 10".into(), "rescues_pending 10".into()]).await?;
        ends
    })?;
    report.add("hang up in a transaction, or before it", settled(site, ends).await?);

    let ends = with!(vault_is_locked(options), { site.send(10, "/quick/transfer/vault/bob/1").answered().await? })?;
    report.add("reach the time limit of the service", settled(site, ends).await?);

    let ends = site.storm(storm, "/transfer/ann/bob/1").answered().await?;
    report.add("hang up at any moment, 40 at a time", settled(site, ends).await?);
    report.connections.after = observer.connections().await?;
    Ok(())
}

/// Returns when the service has nothing to do any more.
async fn settled(site: Site, ends: Ends) -> Result<Ends, Error> {
    let idle = ["requests_in_flight 0".into(), "rescues_pending 0".into(), format!("connections_idle {CONNECTIONS}")];
    let mut page = String::new();
    loop {
        let next = site.metrics(&idle).await?;
        if next == page {
            return Ok(ends);
        }
        page = next; // a client that has hung up may have left a request that is not read yet
        sleep(Duration::from_millis(50)).await;
    }
}

/// Stops the service by SIGTERM while five clients wait for their answer, and five others have hung up.
async fn stop(site: Site, observer: &mut Observer, options: &PgConnectOptions) -> Result<Ends, Error> {
    let (stay, ends) = with!(vault_is_locked(options), {
        let (stay, leave) = (site.send(5, VAULT), site.send(5, VAULT));
        observer.until_waiting(10).await?;
        let ends = leave.hang_up().await;
        site.metrics(&["rescues_pending 5".into()]).await?;
        Command::new("kill").args(["-TERM", &process::id().to_string()]).status().await?;
        site.until_closed().await;
        (stay, ends)
    })?;
    Ok(Ends { hung_up: ends.hung_up, ..stay.answered().await? })
}
