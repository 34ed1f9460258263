#![deny(unused)]

use async_context_manager::{async_context_manager, with, within};

#[async_context_manager]
async fn connection() -> &mut Vec<u32> {
    let mut conn = Vec::new();
    r#yield!(&mut conn);
}

async fn at_the_end() {
    with!(connection() as conn => {
        conn.push(1);
        conn.
    })
}

async fn with_a_comma() {
    with!(connection() as conn, {
        let n = conn.len() let m = 5;
        conn.push(n + m);
    })
}

async fn after_a_jump() {
    for index in 0..5 {
        with!(connection() as conn => {
            if index == 1 {
                continue;
            }
            if conn. {}
        })
    }
}

async fn in_a_nested_one() -> u32 {
    with!(connection() as outer => {
        with!(connection() as inner, {
            inner.push(1);
            match inner.len() {
                0 => 1,
                u32::
            }
        })
    })
}

async fn in_a_header() {
    with!(connection(). as conn => {
        conn.push(1);
    })
}

async fn before_the_block() {
    with!(connection() as conn, connection().)
}

#[async_context_manager]
async fn manager() -> &mut Vec<u32> {
    with!(connection() as conn => {
        r#yield!(&mut *conn);
        conn.
    })
}

#[within(connection() as conn)]
async fn decorated() {
    with!(connection() as other => {
        other.append(conn).
    })
}

fn main() {}
