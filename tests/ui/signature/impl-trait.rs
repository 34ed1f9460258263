use async_context_manager::async_context_manager;

#[async_context_manager]
async fn connection() -> impl Iterator<Item = u32> {
    r#yield!(vec![1].into_iter());
}

#[async_context_manager]
async fn fallible() -> Result<&mut impl Iterator<Item = u32>, String> {
    r#yield!(&mut vec![1].into_iter());
    Ok(())
}

fn main() {
    let _ = (connection(), fallible());
}
