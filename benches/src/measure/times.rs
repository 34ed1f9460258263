//! Times by the clock, of several works that take turns: what else the machine does falls on all of them.

use std::time::{Duration, Instant};

/// Does a work so many times.
pub(crate) type Repeat<'w> = Box<dyn Fn(u32) + 'w>;

/// How many turns each work has, and how long one takes.
const TURNS: usize = 101;
const TURN: Duration = Duration::from_micros(500);

/// The quartiles of the nanoseconds that each work takes once.
pub(crate) fn by_turns(works: &[Repeat<'_>]) -> Vec<[f64; 3]> {
    let times: Vec<u32> = works.iter().map(fill_a_turn).collect();
    let mut taken = vec![Vec::with_capacity(TURNS); works.len()];
    for _ in 0..TURNS {
        for ((work, &times), taken) in works.iter().zip(&times).zip(&mut taken) {
            taken.push(nanoseconds(work, times));
        }
    }
    taken.into_iter().map(quartiles).collect()
}

/// How many times a work can be done in one turn.
fn fill_a_turn(work: &Repeat<'_>) -> u32 {
    let mut times = 1;
    while nanoseconds(work, times) * f64::from(times) < TURN.as_secs_f64() * 1e9 {
        times *= 2;
    }
    times
}

fn nanoseconds(work: &Repeat<'_>, times: u32) -> f64 {
    let start = Instant::now();
    work(times);
    start.elapsed().as_secs_f64() * 1e9 / f64::from(times)
}

fn quartiles(mut all: Vec<f64>) -> [f64; 3] {
    all.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| all[(all.len() - 1) * quarter / 4])
}
