use async_context_manager::{async_context_manager, within};

struct DbError;

#[async_context_manager]
async fn fallible() -> Result<u32, DbError> {
    r#yield!(5);
    Ok(())
}

#[async_context_manager(suppress)]
async fn impatient() {
    r#yield!();
}

#[async_context_manager(catch)]
async fn catching() -> Result<(), DbError> {
    r#yield!().into_result()
}

#[within(fallible() as conn)]
async fn can_not_fail() -> u32 {
    conn
}

#[within(fallible() as _conn)]
async fn returns_nothing() {
    println!("body");
}

#[within(fallible() as conn)]
async fn other_error() -> Result<u32, std::fmt::Error> {
    Ok(conn)
}

#[within(impatient())]
async fn has_a_value() -> u32 {
    5
}

#[within(impatient())]
async fn has_a_value_or_fails() -> Result<u32, DbError> {
    Ok(5)
}

#[within(catching())]
async fn nothing_to_catch() -> u32 {
    5
}

fn main() {}
