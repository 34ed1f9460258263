use async_context_manager::{async_context_manager, with};

#[async_context_manager]
async fn connection() -> u32 {
    r#yield!(5);
}

async fn block() -> String {
    with!(connection() as n => { n })
}

async fn question_mark() -> u32 {
    with!(connection() as n => {
        "5".parse::<u32>()?;
        n
    })
}

async fn early() -> u32 {
    with!(connection() as n => {
        if n == 5 {
            return "five";
        }
        n
    })
}

async fn jump() -> u32 {
    loop {
        with!(connection() as n => {
            if n == 5 {
                break "five";
            }
        });
    }
}

async fn no_loop() {
    with!(connection() as n => {
        if n == 5 {
            break;
        }
    });
}

async fn unknown_label() {
    with!(connection() as n => {
        if n == 5 {
            continue 'outer;
        }
    });
}

fn main() {}
