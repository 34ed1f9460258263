//! What can be wrong with the form that has a comma in place of the `=>`.

#![deny(unused)]

use async_context_manager::{async_context_manager, with};

#[async_context_manager]
async fn connection() -> u32 {
    r#yield!(5);
}

struct Pair {
    _n: u32,
}

async fn no_block() {
    with!(connection() as n,);
}

async fn no_block_after_two() {
    with!(connection() as n, connection() as m);
}

async fn no_block_and_no_name() {
    with!(connection(), connection());
}

async fn a_block_alone() {
    with!({ 5 });
}

async fn a_comma_alone() {
    with!(,);
}

async fn no_manager() {
    with!(, { 5 });
}

async fn two_commas() {
    with!(connection() as n,, { n });
}

async fn no_comma() {
    with!(connection() { 5 });
}

async fn no_comma_after_a_name() {
    with!(connection() as n { n },);
}

async fn no_name() {
    with!(connection() as, { 5 });
}

async fn no_name_and_no_comma() {
    with!(connection() as { 5 });
}

async fn no_name_of_the_second() {
    with!(connection() as n, connection() as, { n });
}

async fn two_blocks() {
    with!(connection() as n, { n } { 5 });
}

async fn a_call_of_the_block() {
    with!(connection() as n, { n }.to_string());
}

async fn a_statement_behind() {
    with!(connection() as n, { n }; drop(5));
}

async fn a_manager_behind() {
    with!(connection() as n, { n }, connection());
}

async fn no_braces() {
    with!(connection() as n, n + 1);
}

async fn no_braces_and_no_end() {
    with!(connection() as n, n +);
}

async fn a_struct() {
    with!(connection() as n, Pair { _n: n });
}

async fn a_labelled_block() {
    with!(connection() as n, 'a: { break 'a n });
}

async fn an_async_block() {
    with!(connection() as n, async { n });
}

async fn a_cast() {
    with!(connection() as n, n as u8);
}

async fn typing() {
    with!(connection() as n, {
        let m = n + 1;
        drop(m);
        n.
    },);
}

fn main() {}
