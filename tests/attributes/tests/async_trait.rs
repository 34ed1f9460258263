//! `#[async_trait]` around functions that have `#[within]`.

#![forbid(unsafe_code)]

mod support;

use async_context_manager::{async_context_manager, within};
use async_trait::async_trait;
use support::recorded;
use tracing::{info, instrument};

#[async_context_manager]
async fn number(value: u32) -> Result<u32, String> {
    tokio::task::yield_now().await;
    info!("entering {value}");
    r#yield!(value);
    info!("leaving {value}");
    if value == 9 { Err("nine".to_owned()) } else { Ok(()) }
}

#[async_context_manager]
async fn quiet(value: u32) -> u32 {
    r#yield!(value);
}

#[async_trait]
trait Service {
    async fn get(&self, key: &str) -> Result<u32, String>;

    async fn add(&mut self, by: u32);

    #[within(quiet(2) as two)]
    async fn provided(&self) -> u32 {
        two
    }

    #[within(number(3) as three)]
    #[instrument(skip(self), err, ret)]
    async fn spanned(&self) -> Result<u32, String> {
        info!("block");
        Ok(three)
    }
}

struct Memory {
    value: u32,
}

#[async_trait]
impl Service for Memory {
    #[within(number(self.value) as lent, number(lent + 1) as other)]
    async fn get(&self, key: &str) -> Result<u32, String> {
        if key.is_empty() {
            return Err("empty".to_owned());
        }
        Ok(lent + other + self.value)
    }

    #[within(quiet(by) as lent)]
    async fn add(&mut self, by: u32) {
        if by == 0 {
            return;
        }
        self.value += lent;
    }
}

#[tokio::test]
async fn managers_are_around_the_body() {
    let mut service: Box<dyn Service + Send + Sync> = Box::new(Memory { value: 1 });
    let (output, events) = recorded(service.get("key")).await;
    assert_eq!(output, Ok(4));
    assert_eq!(events, ["entering 1", "entering 2", "leaving 2", "leaving 1"]);
    assert_eq!(service.get("").await, Err("empty".to_owned()));
    assert_eq!(service.provided().await, 2);
    service.add(0).await;
    service.add(7).await;
    assert_eq!(service.get("key").await, Err("nine".to_owned()));
}

#[tokio::test]
async fn a_span_below_covers_the_managers() {
    let (output, events) = recorded(Memory { value: 1 }.spanned()).await;
    assert_eq!(output, Ok(3));
    assert_eq!(events, ["entering 3", "block", "leaving 3", "return=3"].map(|event| format!("spanned: {event}")));
}

#[async_trait]
trait Nested {
    async fn with_pattern(&mut self, (a, b): (u32, u32), mut by: u32) -> Result<u32, String>;

    async fn consumed(self: Box<Self>, only_in_header: u32) -> u32;

    async fn above(&self) -> Result<u32, String>;
}

#[async_trait]
impl Nested for Memory {
    #[within(quiet(a + self.value) as lent)]
    async fn with_pattern(&mut self, (a, b): (u32, u32), mut by: u32) -> Result<u32, String> {
        by += lent;
        self.value = by;
        Ok(b + by)
    }

    #[within(quiet(only_in_header) as lent)]
    async fn consumed(self: Box<Self>, only_in_header: u32) -> u32 {
        lent + self.value
    }

    #[instrument(skip(self), err, ret)]
    #[within(number(self.value) as lent)]
    async fn above(&self) -> Result<u32, String> {
        info!("block");
        Ok(lent + self.value)
    }
}

#[tokio::test]
async fn the_header_uses_arguments_as_the_body_does() {
    let mut memory = Memory { value: 1 };
    assert_eq!(memory.with_pattern((2, 3), 4).await, Ok(10));
    assert_eq!(Box::new(memory).consumed(5).await, 12);
}

/// Here, `#[instrument]` instruments the future before `#[within]` wraps it.
#[tokio::test]
async fn a_span_above_covers_the_block_only() {
    let (output, events) = recorded(Memory { value: 1 }.above()).await;
    assert_eq!(output, Ok(2));
    assert_eq!(events, ["entering 1", "above: block", "above: return=2", "leaving 1"]);
}
