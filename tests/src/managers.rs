//! Managers that many tests declare alike.

use async_context_manager::async_context_manager;

use crate::{Log, yields};

/// Logs that it is entered, and what it sees of its block; waits before and after.
#[async_context_manager]
pub async fn named(log: &Log, name: &str) {
    log.add(format!("enter {name}"));
    yields(1).await;
    let outcome = r#yield!();
    yields(1).await;
    log.add(format!("exit {name} {outcome:?}"));
}

/// The same, with a text of its own that it lends: at first its name.
#[async_context_manager]
pub async fn lends_name(log: &Log, name: &str) -> &mut String {
    let mut local = name.to_string();
    log.add(format!("enter {name}"));
    yields(1).await;
    let outcome = r#yield!(&mut local);
    yields(1).await;
    log.add(format!("exit {local} {outcome:?}"));
}

/// Logs that it is entered, what it sees of its block, and that it is left; waits before the block, and twice after it.
#[async_context_manager]
pub async fn plain(log: &Log) {
    log.add("enter");
    yields(1).await;
    let outcome = r#yield!();
    log.add(format!("{outcome:?}"));
    yields(2).await;
    log.add("exit");
}
