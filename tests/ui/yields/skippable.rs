use async_context_manager::async_context_manager;

#[async_context_manager]
async fn without_else(ready: bool) {
    if ready {
        r#yield!();
    }
}

#[async_context_manager]
async fn one_arm(ready: Option<u32>) -> u32 {
    match ready {
        Some(n) => {
            r#yield!(n);
        }
        None => {}
    }
}

#[async_context_manager]
async fn right_operand(ready: bool) {
    let _ = ready && r#yield!().is_completed();
}

#[async_context_manager]
async fn let_else(ready: Option<u32>) -> u32 {
    let Some(_) = ready else {
        r#yield!(0);
        return;
    };
}

fn main() {
    let _ = (without_else(true), one_arm(None), right_operand(true), let_else(None));
}
