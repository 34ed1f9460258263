use async_context_manager::async_context_manager;

#[async_context_manager(shiny)]
const fn connection(ready: bool) -> impl Copy {
    if ready {
        for _ in 0..3 {
            r#yield!(1);
        }
    }
    let lend = || r#yield!(2);
}

fn main() {
    let _ = connection(true);
}
