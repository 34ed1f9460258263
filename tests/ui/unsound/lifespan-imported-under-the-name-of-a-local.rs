//! An item with the name of the local that bounds the lifetime of the body does not replace that local.

use std::cell::RefCell;
use std::rc::Rc;

use async_context_manager::__private::BodyToken as __this_manager;
use async_context_manager::{async_context_manager, with};

type Sink<'a> = Rc<RefCell<Vec<&'a str>>>;

#[async_context_manager]
async fn sink(out: &RefCell<Vec<&'static str>>) -> Sink<'_> {
    let sink: Sink<'static> = Rc::default();
    r#yield!(sink.clone());
    out.borrow_mut().extend(sink.borrow().iter());
}

async fn escape(out: &RefCell<Vec<&'static str>>) {
    let text = String::from("text");
    with!(sink(out) as sink => sink.borrow_mut().push(&text));
}

fn main() {}
