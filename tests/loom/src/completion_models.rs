//! Completions: who waits for several is told when all are done.

use std::sync::Arc;

use loom::model;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use crate::completion::{Handle, completion};
use crate::registry_models::block_on;
use crate::rescues::Rescues;

#[test]
fn the_last_of_two_is_not_missed() {
    model(|| {
        let (one, two) = (completion(), completion());
        let mut both = Rescues::new(vec![one.1, two.1]);
        let ends = [one.0, two.0].map(|completion| thread::spawn(move || drop(completion)));
        block_on(|cx| both.poll(cx));
        for ends in ends {
            ends.join().unwrap();
        }
    });
}

#[test]
fn what_is_to_be_done_then_is_done_once() {
    model(|| {
        let (one, two) = (completion(), completion());
        let done = Arc::new(AtomicBool::new(false));
        let (set, all) = (Arc::clone(&done), completion());
        let (completion, mut all) = (all.0, Rescues::new(vec![all.1]));
        let ends = thread::spawn(move || drop(one.0));
        Rescues::new(vec![one.1, two.1]).then(move || {
            assert!(!set.swap(true, Ordering::SeqCst));
            Some(completion)
        });
        drop(two.0);
        block_on(|cx| all.poll(cx));
        assert!(done.load(Ordering::SeqCst));
        ends.join().unwrap();
    });
}

#[test]
fn one_handle_for_all_is_done_after_the_last() {
    model(|| {
        let (one, two) = (completion(), completion());
        let ends = thread::spawn(move || drop(one.0));
        let mut all = Rescues::new(Handle::all(&[one.1, two.1]).into_iter().collect());
        drop(two.0);
        block_on(|cx| all.poll(cx));
        ends.join().unwrap();
    });
}
