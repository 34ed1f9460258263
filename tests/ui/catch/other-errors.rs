use async_context_manager::{async_context_manager, with};

struct DbError;
struct AppError;

impl From<DbError> for AppError {
    fn from(_: DbError) -> Self {
        AppError
    }
}

#[async_context_manager(catch)]
async fn transaction() -> Result<u32, DbError> {
    r#yield!(5).into_result()
}

async fn fallible() -> Result<(), AppError> {
    Ok(())
}

async fn early() -> Result<u32, AppError> {
    let n = with!(transaction() as n => {
        fallible().await?;
        n
    })?;
    Ok(n)
}

async fn value() -> Result<(), DbError> {
    with!(transaction() => fallible().await)?.ok();
    Ok(())
}

async fn inner_manager() -> Result<(), AppError> {
    with!(transaction(), other() => {})?;
    Ok(())
}

#[async_context_manager]
async fn other() -> Result<(), AppError> {
    r#yield!();
    Ok(())
}

fn main() {}
