//! A program with much to fix in its `with!`s. `tests/fixes.rs` fixes it.
#![warn(clippy::pedantic)]

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use async_context_manager::{async_context_manager, nullcontext, with, within};

#[async_context_manager]
async fn pair(text: &str) -> (String, usize) {
    let mut length = text.len();
    r#yield!((text.to_string(), length));
    println!("{}", text);
    return ();
}

#[async_context_manager]
async fn fallible(text: &str) -> Result<usize, std::num::ParseIntError> {
    with!(pair(&text) as (name, mut length) => {
        let mut number = name.parse::<usize>()?;
        r#yield!((number + length).into());
    });
    return Ok(());
}

#[async_context_manager]
async fn on_one_line(text: &str) -> &mut String { with!(pair(&text) as (mut name, _length) => { r#yield!(&mut name); }) }

#[async_context_manager]
async fn one_match() -> u8 { match r#yield!(5) { _ => {} } }

async fn unused(text: &str) -> usize {
    let mut count = 1;
    let one = with!(pair(text) as (mut name, length) => { let mut local = length; { count + local } });
    let two = with!(pair(&text) as (name, mut length), { let other = name.len() as usize; (other + length) });
    { with!(nullcontext(two) as length, { return length; }) }
}

async fn leaves(texts: &Vec<String>) -> Option<usize> {
    let mut sum = 0;
    for index in 0..texts.len() {
        with!(pair(&texts[index].clone()) as (name, length) => {
            if name.len() == 0 { continue; }
            if length == 5 { break; } else { sum = sum + length; }
        });
        with!(nullcontext(&texts[index]) as text, pair(&text) as _, {
            match text.get(0..1) { Some(start) => { sum += start.len(); }, None => (), }
            if (sum > 9) { return Some(sum.into()); }
            let parsed = text.parse::<usize>().map_err(|error| error.to_string());
            let number = match parsed { Ok(number) => number, Err(_) => return None };
            sum += number.clone();
        });
    }
    let nested = with!(nullcontext(sum) as outer => { with!(nullcontext(outer) as inner, { inner + { 0 } }) });
    Some({ with!(nullcontext(nested) as inner => inner) })
}

async fn fails(text: &str) -> Result<usize, std::num::ParseIntError> {
    let number = with!(fallible(&text) as number, { &number + 1 })?;
    with!(on_one_line(&text) as name, one_match() as five => { println!("{} {}", name, five.clone()) });
    Ok(with!(fallible(text) as other => { let sum = other + number; sum })?)
}

#[within(pair(&text) as (name, mut length))]
async fn body(text: &str) -> String {
    let mut all = String::new();
    all.push_str("x");
    return format!("{}{}", name, all);
}

fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("nothing here waits"),
    }
}

fn main() {
    println!("{}", ready(unused("text")));
    for texts in [vec!["1", "22"], vec!["", "12345", "6"], vec!["9", "8"], vec!["one"]] {
        let texts: Vec<_> = texts.into_iter().map(String::from).collect();
        println!("{:?}", ready(leaves(&texts)));
    }
    println!("{:?} {:?}", ready(fails("5")), ready(fails("five")));
    println!("{}", ready(body("text")));
}
