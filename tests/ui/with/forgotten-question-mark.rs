//! A `with!` that can fail, without the `?` behind it. Each is one error, with one cure.

use async_context_manager::{async_context_manager, with};

#[derive(Debug)]
struct DbError;

struct AppError;

impl From<DbError> for AppError {
    fn from(_: DbError) -> Self {
        Self
    }
}

#[async_context_manager]
async fn plain() {
    r#yield!();
}

#[async_context_manager]
async fn number() -> Result<u32, DbError> {
    r#yield!(5);
    Ok(())
}

async fn query() -> Result<u32, DbError> {
    Ok(5)
}

async fn another_error() -> Result<u32, AppError> {
    with!(number() as n => {
        query().await?;
        n
    })
}

async fn another_error_and_ok() -> Result<u32, AppError> {
    with!(number() as n => { Ok(n) })
}

async fn variable() -> Result<u32, DbError> {
    let n: u32 = with!(number() as n => n);
    Ok(n)
}

async fn nested() -> Result<u32, AppError> {
    with!(number() as n => {
        with!(number() as m => { Ok(n + m) })
    })
}

async fn end_of_a_block() -> Result<u32, DbError> {
    let n: u32 = {
        with!(number() as n => n)
    };
    Ok(n)
}

async fn argument() {
    drop::<u32>(with!(number() as n => n));
}

async fn infallible_function() -> u32 {
    with!(number() as n => n)
}

async fn function_without_a_value() {
    with!(number() as n => { assert_eq!(n, 5); })
}

async fn second_manager() -> Result<u32, AppError> {
    with!(plain(), number() as n => n)
}

async fn third_manager() -> Result<u32, AppError> {
    let n: u32 = with!(plain(), plain(), number() as n => n);
    Ok(n)
}

async fn all_managers() -> Result<u32, AppError> {
    with!(number() as n, number() as m => n + m)
}

#[async_context_manager]
async fn manager() -> Result<u32, AppError> {
    with!(number() as n => { r#yield!(n); })
}

#[async_context_manager]
async fn infallible_manager() -> u32 {
    with!(number() as n => { r#yield!(n); })
}

#[async_context_manager]
async fn manager_with_ok() -> Result<u32, AppError> {
    with!(number() as n => { r#yield!(n); Ok(()) })
}

fn main() {}
