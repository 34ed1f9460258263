//! 41 managers of public Python code, as programs in Python (`ports.py`) and here: their traces must be the same.
//!
//! `traces.txt` has what Python did, one trace a line: program, mode, and events with their virtual time in seconds.
//! `differences.txt` has each trace that is another one here, with the reason. If there is a `python3` that is Python 3.11
//! or later, the tests run `ports.py` again and compare its output with `traces.txt`.
//!
//! | mode | the block |
//! |---|---|
//! | `success`, `error`, `panic` | ends with a value, an error, or a panic (in Python: another `BaseException`) |
//! | `block@T` | is in its work when the time is over: `timeout` here, `asyncio.timeout` there |
//! | `early@T` | the same before that work: in an enter phase, or in what the block does first |
//!
//! The programs are written as a user would write them, and may serve as recipes. They are grouped as in `ports.py`.
//! A time-out in an exit phase has no mode in `traces.txt`, because Python interrupts the exit phase and this crate does
//! not: `compare.rs` checks that it changes nothing. It also checks that a program in `graceful` that the time limit of tokio
//! drops has the same events.

#![forbid(unsafe_code)]

mod applications;
mod clients;
mod compare;
mod control;
mod locks;
mod pools;
mod processes;
mod python;
mod tasks;
mod trace;

use futures::future::BoxFuture;

use trace::{Ended, Trace};

/// A program with its name. Its future is `Send`, as for `tokio::spawn`.
struct Port {
    name: &'static str,
    run: for<'t> fn(&'t Trace) -> BoxFuture<'t, Ended>,
}

/// The programs in these modules, by name.
macro_rules! ports {
    ($($module:ident: $($name:ident),+;)+) => {
        &[$($(Port { name: stringify!($name), run: |t| Box::pin($module::$name(t)) }),+),+]
    };
}

/// All programs, in the order of `ports.py`.
const PORTS: &[Port] = ports! {
    pools: c05_asyncpg_pool, c05c_asyncpg_broken_release, c05s_asyncpg_shielded_release, c06_asyncpg_transaction,
        c07_sqlalchemy_session_scope, c07s_sqlalchemy_session, c08_savepoint;
    locks: c03_redis_lock, c04_redis_pipeline, c09_limiter, c10_etcd_lease, c28_file_lock;
    clients: c13_httpx_stream, c14_aiohttp_session, c15_aiobotocore_client, c16_httpx_client, c16b_mcp_session_group,
        c17_websockets_reconnect, c18_websockets_connect, c19_given_or_new_client, c12_mcp_sse_client;
    applications: c01_fastapi_lifespan, c01b_starlette_lifespan, c21_merged_lifespans, c22_lifespan_argument,
        c23_pytest_fixtures, c24_aiohttp_cleanup_ctx;
    processes: c02_mcp_stdio_client, c02x_mcp_stdio_client_dies, c02y_mcp_stdio_client_of_parts;
    tasks: c11_background_service, c11c_consumers;
    processes: c20_subprocess, c20b_callbacks, c30_language_server;
    tasks: c31_prefect_flow_run;
    control: c25_recursive, c26_backend_by_name, c27_all_clauses, c29_mapped_errors, c32_limit_in_a_manager;
};
