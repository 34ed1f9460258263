use async_context_manager::{async_context_manager, context_managers, r#yield, with};

async fn not_a_manager() {
    r#yield!(5);
}

context_managers! {
    async fn not_annotated() {
        yield!(5);
    }
}

#[async_context_manager]
async fn manager() {
    r#yield!();
}

async fn in_a_block() {
    with!(manager() => {
        r#yield!();
    });
}

async fn beside_a_manager_in_a_block() {
    with!(manager() => {
        #[async_context_manager]
        async fn inner() {
            r#yield!();
        }
        with!(inner(), { r#yield!(); });
    });
}

fn main() {
    let _ = (not_a_manager(), not_annotated(), in_a_block(), beside_a_manager_in_a_block());
}
