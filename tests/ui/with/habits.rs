//! Headers in the words of other languages.

use async_context_manager::{async_context_manager, with, within};

#[async_context_manager]
async fn connection() -> u32 {
    r#yield!(5);
}

async fn name_first() {
    with!(conn = connection() => { conn + 1 });
}

async fn let_first() {
    with!(let conn = connection() => { conn + 1 });
}

async fn type_first() {
    with!(conn: u32 = connection() => { conn + 1 });
}

async fn name_first_in_the_second() {
    with!(connection() as one, two = connection() => { one + two });
}

async fn awaits() {
    with!(async connection() as conn => { conn + 1 });
}

async fn awaits_first() {
    with!(await connection() as conn => { conn + 1 });
}

async fn colon() {
    with!(connection() as conn: { conn + 1 });
}

async fn closure() {
    with!(connection() |conn| { conn + 1 });
}

async fn parentheses() {
    with!((connection() as one, connection() as two) => { one + two });
}

async fn parentheses_around_one() {
    with!((connection() as conn) => { conn + 1 });
}

#[within(conn = connection())]
async fn name_first_within() -> u32 {
    conn + 1
}

fn main() {}
