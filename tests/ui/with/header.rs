use async_context_manager::{async_context_manager, with};

#[async_context_manager]
async fn connection() -> u32 {
    r#yield!(5);
}

async fn no_arrow() {
    with!(connection() as n { n });
}

async fn no_arrow_before_statements() {
    with!(connection() as mut n { n += 1; n.to_string() });
}

async fn no_block() {
    with!(connection() as n =>);
}

async fn no_manager() {
    with!(=> { 5 });
}

async fn nothing() {
    with!();
}

async fn only_manager() {
    with!(connection());
}

async fn no_comma() {
    with!(connection() as n connection() as m => { n + m });
}

async fn two_blocks() {
    with!(connection() as n => { n } { 5 });
}

fn main() {}
