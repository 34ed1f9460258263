use async_context_manager::async_context_manager;

#[async_context_manager]
async fn early(ready: bool) -> Result<u32, String> {
    if !ready {
        return Ok(());
    }
    r#yield!(5);
    Ok(())
}

#[async_context_manager]
async fn plain(ready: bool) -> u32 {
    if !ready {
        return;
    }
    r#yield!(5);
}

#[async_context_manager]
async fn labelled(ready: bool) -> u32 {
    'enter: {
        if !ready {
            break 'enter;
        }
        r#yield!(5);
    }
}

fn main() {
    let _ = (early(true), plain(true), labelled(true));
}
