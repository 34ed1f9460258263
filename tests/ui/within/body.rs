use async_context_manager::{async_context_manager, within};

#[async_context_manager]
async fn connection() -> u32 {
    r#yield!(5);
}

#[within(connection() as conn)]
async fn wrong_value() -> String {
    conn
}

#[within(connection() as conn)]
async fn no_value() -> Result<u32, String> {
    let _number = conn;
}

#[within(connection() as conn)]
async fn wrong_return(leaves: bool) -> u32 {
    if leaves {
        return "text";
    }
    conn
}

#[within(connection() as conn)]
async fn out_of_no_loop() -> u32 {
    if conn == 5 {
        break;
    }
    conn
}

#[within(5 as conn)]
async fn no_manager() -> u32 {
    conn
}

fn main() {}
