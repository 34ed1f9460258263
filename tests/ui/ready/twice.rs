//! A limit or a group can be entered only once (T26, T27, G30, G31), and a limit is a `Duration`.

use std::time::Duration;

use async_context_manager::{task_group, timeout, with};

async fn limit_twice() {
    let limit = timeout(Duration::MAX);
    let _first = with!(limit => {});
    let _second = with!(limit => {});
}

async fn group_twice() {
    let group = task_group::<()>();
    let _inner = with!(group => { with!(group => {}) });
}

async fn seconds() {
    let _late = with!(timeout(5) => {});
}

fn main() {}
