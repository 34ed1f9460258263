use async_context_manager::async_context_manager;

struct SearchResult;

#[async_context_manager]
async fn search() -> SearchResult {
    r#yield!(SearchResult);
}

struct PageResult<T>(T);

#[async_context_manager]
async fn page() -> PageResult<u32> {
    r#yield!(PageResult(5));
}

fn main() {
    let _ = (search(), page());
}
