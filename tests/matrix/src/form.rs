//! The types that a manager can lend, each with what it is made of, how it is read, and what its lifetimes mean.

/// What the lifetimes of a lent type mean that are not those of the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// None: all of them are left out where the macro sees it, and mean "while the block runs".
    Block,
    /// That of the argument: it is hidden or named.
    Argument,
    /// `'static`: written, or the default bound of a trait object.
    Static,
}

/// A lent type.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "a row of a table")]
pub struct Form {
    /// What the rows of the report are called by.
    pub name: &'static str,
    /// The return type, as it is written.
    pub ty: &'static str,
    /// The type of what escapes, with `'t` for its lifetime.
    pub escaped: &'static str,
    /// What it says of lifetimes.
    pub meaning: Meaning,
    /// Items that the type needs.
    pub items: &'static str,
    /// A statement, and an expression of the type that borrows `local`. There is none for what can't borrow.
    pub local: Option<(&'static str, &'static str)>,
    /// The same, that borrows nothing but `text`, the argument; or nothing at all, if the meaning is `'static`.
    pub outer: (&'static str, &'static str),
    /// What of the lent value `v` escapes.
    pub gives: &'static str,
    /// The text, read from `$`, which is of the type `escaped`.
    pub read: &'static str,
    /// Stores the `&str` that `$` stands for in `v`.
    pub store: Option<&'static str>,
    /// What the body does after its `yield!`.
    pub after: &'static str,
    /// The type of the argument.
    pub argument: &'static str,
    /// The argument, made of a `String`.
    pub made: &'static str,
    /// Whether the argument is borrowed mutably.
    pub mutable: bool,
    /// Whether a thread takes it, and a stack and what is shielded.
    pub send: bool,
    /// Whether it is a `Result` as a whole.
    pub result: bool,
    /// Whether it is a `&T` or a `&mut T` that lives as long as the block, of a `T` that does not.
    pub reference: bool,
    /// Whether it is a tuple of such references.
    pub several: bool,
    /// Whether it borrows for the block, and can be used as a value that borrows for a shorter time.
    pub covariant: bool,
    /// Whether it may stand for the error of a `catch`.
    pub error: bool,
}

impl Form {
    fn new(meaning: Meaning, name: &'static str, ty: &'static str, escaped: &'static str) -> Self {
        Self {
            name,
            ty,
            escaped,
            meaning,
            items: "",
            local: None,
            outer: ("", ""),
            gives: "v",
            read: "$.to_string()",
            store: None,
            after: "",
            argument: "String",
            made: "$",
            mutable: false,
            send: true,
            result: false,
            reference: false,
            several: false,
            covariant: false,
            error: false,
        }
    }

    fn items(self, items: &'static str) -> Self {
        Self { items, ..self }
    }

    fn local(self, setup: &'static str, value: &'static str) -> Self {
        Self { local: Some((setup, value)), ..self }
    }

    fn outer(self, setup: &'static str, value: &'static str) -> Self {
        Self { outer: (setup, value), ..self }
    }

    fn gives(self, gives: &'static str) -> Self {
        Self { gives, ..self }
    }

    fn read(self, read: &'static str) -> Self {
        Self { read, ..self }
    }

    fn store(self, store: &'static str, after: &'static str) -> Self {
        Self { store: Some(store), after, ..self }
    }

    fn argument(self, argument: &'static str, made: &'static str) -> Self {
        Self { argument, made, ..self }
    }

    fn mutable(self) -> Self {
        Self { mutable: true, ..self }
    }

    fn not_send(self) -> Self {
        Self { send: false, ..self }
    }

    fn result(self) -> Self {
        Self { result: true, ..self }
    }

    fn reference(self) -> Self {
        Self { reference: true, covariant: true, ..self }
    }

    fn several(self) -> Self {
        Self { several: true, covariant: true, ..self }
    }

    fn covariant(self) -> Self {
        Self { covariant: true, ..self }
    }

    fn error(self) -> Self {
        Self { error: true, ..self }
    }
}

fn block(name: &'static str, ty: &'static str, escaped: &'static str) -> Form {
    Form::new(Meaning::Block, name, ty, escaped)
}

fn argument(name: &'static str, ty: &'static str, escaped: &'static str) -> Form {
    Form::new(Meaning::Argument, name, ty, escaped)
}

fn lasting(name: &'static str, ty: &'static str, escaped: &'static str) -> Form {
    Form::new(Meaning::Static, name, ty, escaped)
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Form> {
    [references(), paths(), nested(), hidden(), named(), objects(), statics()].concat()
}

/// References whose lifetimes are left out.
fn references() -> Vec<Form> {
    let string = |name, ty| block(name, ty, "&'t String").local("", "&local").reference().error();
    let changed = |name, ty| block(name, ty, "&'t mut String").local("", "&mut local").reference();
    vec![
        string("reference", "&String"),
        string("reference, `'_`", "&'_ String"),
        changed("mutable reference", "&mut String"),
        changed("mutable reference, `'_`", "&'_ mut String"),
        block("text", "&str", "&'t str").local("", "local.as_str()").reference().error(),
        block("text, `'_`", "&'_ str", "&'t str").local("", "local.as_str()").reference().error(),
        block("slice", "&mut [String]", "&'t mut [String]")
            .local("let mut list = [local];", "&mut list[..]")
            .read("$[0].to_string()")
            .reference(),
        block("reference to an object", "&dyn Display", "&'t dyn Display").local("", "&local").not_send().error(),
        block("reference to an object, `'_`", "&'_ (dyn Display + '_)", "&'t (dyn Display + 't)")
            .local("", "&local")
            .not_send()
            .error(),
        block("mutable reference to an object", "&mut dyn FnMut() -> String", "&'t mut dyn FnMut() -> String")
            .local("let mut f = || local.clone();", "&mut f")
            .read("$()")
            .not_send(),
    ]
}

/// Paths whose lifetimes are left out by `'_`.
fn paths() -> Vec<Form> {
    let locked = "let lock = Mutex::new(local);";
    vec![
        block("path, `'_`", "Tx<'_>", "Tx<'t>")
            .covariant()
            .local("", "Tx { text: &local }")
            .read("$.text.to_string()")
            .error(),
        block("mutable reference to a path, `'_`", "&mut Tx<'_>", "&'t str")
            .local("let mut tx = Tx { text: &local };", "&mut tx")
            .gives("v.text")
            .store("v.text = $", "tx.text.to_string();"),
        block("reference to a path, `'_`", "&Tx<'_>", "&'t str")
            .covariant()
            .local("let tx = Tx { text: &local };", "&tx")
            .gives("v.text"),
        block("guard, `'_`", "MutexGuard<'_, String>", "MutexGuard<'t, String>")
            .covariant()
            .local(locked, "lock.lock().unwrap()")
            .not_send(),
        block("iterator, `'_`", "Chars<'_>", "Chars<'t>")
            .covariant()
            .local("", "local.chars()")
            .read("$.collect::<String>()")
            .error(),
        block("alias, `'_`", "Alias<'_>", "Option<&'t String>")
            .covariant()
            .local("", "Some(&local)")
            .read("$.unwrap().clone()")
            .error(),
        block("boxed function, `'_`", "Box<dyn Fn() -> String + '_>", "Box<dyn Fn() -> String + 't>")
            .local("", "Box::new(|| local.clone())")
            .read("$()")
            .not_send()
            .error(),
        block(
            "boxed function that is `Send`, `'_`",
            "Box<dyn Fn() -> String + Send + '_>",
            "Box<dyn Fn() -> String + Send + 't>",
        )
        .covariant()
        .local("", "Box::new(|| local.clone())")
        .read("$()")
        .error(),
        block("pinned future, `'_`", "BoxFuture<'_, String>", "BoxFuture<'t, String>")
            .covariant()
            .local("", "Box::pin(async { local.clone() })")
            .read("block_on($)")
            .not_send(),
        block("result alias, `'_`", "ConnResult<'_>", "&'t String").local("", "&local").reference().result(),
    ]
}

/// Types around references.
fn nested() -> Vec<Form> {
    let seen = "Rc<RefCell<Vec<&'t str>>>";
    let list = "let list = Rc::new(RefCell::new(vec![local.as_str()]));";
    let stored = "v.borrow_mut().push($)";
    let after = "list.borrow().concat();";
    vec![
        block("option", "Option<&String>", "Option<&'t String>")
            .covariant()
            .local("", "Some(&local)")
            .read("$.unwrap().clone()")
            .error(),
        block("list", "Vec<&String>", "Vec<&'t String>")
            .covariant()
            .local("", "vec![&local]")
            .read("$[0].clone()")
            .error(),
        block("cell", "Cell<Option<&String>>", "Cell<Option<&'t String>>")
            .local("", "Cell::new(Some(&local))")
            .read("$.get().unwrap().clone()")
            .error(),
        block("reference to a cell", "&Cell<Option<&str>>", "&'t str")
            .local("let cell = Cell::new(Some(local.as_str()));", "&cell")
            .gives("v.get().unwrap()")
            .store("v.set(Some($))", "cell.get().map(str::to_string);"),
        block("array", "[&String; 2]", "[&'t String; 2]")
            .covariant()
            .local("", "[&local; 2]")
            .read("$[1].clone()")
            .error(),
        block("tuple", "(&String, &mut u32)", "(&'t String, &'t mut u32)")
            .several()
            .local("let mut number = 5;", "(&local, &mut number)")
            .read("$.0.clone()"),
        block("tuple with a path, `'_`", "(Tx<'_>, u32)", "(Tx<'t>, u32)")
            .covariant()
            .local("", "(Tx { text: &local }, 5)")
            .read("$.0.text.to_string()")
            .error(),
        block("box", "Box<&String>", "Box<&'t String>").covariant().local("", "Box::new(&local)").error(),
        block("shared list", "Rc<RefCell<Vec<&str>>>", seen)
            .local(list, "list.clone()")
            .read("$.borrow().concat()")
            .store(stored, after)
            .not_send()
            .error(),
        block("shared list, `'_`", "Rc<RefCell<Vec<&'_ str>>>", seen)
            .local(list, "list.clone()")
            .read("$.borrow().concat()")
            .store(stored, after)
            .not_send()
            .error(),
        block("mutable reference to a list", "&mut Vec<&str>", "&'t str")
            .local("let mut list = vec![local.as_str()];", "&mut list")
            .gives("v.pop().unwrap()")
            .store("v.push($)", "list.concat();"),
    ]
}

/// Lifetimes that the text of the type does not show.
fn hidden() -> Vec<Form> {
    let macro_items = "macro_rules! reference { () => { &String } }";
    vec![
        argument("hidden in a path", "Tx", "Tx<'t>")
            .local("", "Tx { text: &local }")
            .outer("", "Tx { text: &*text }")
            .read("$.text.to_string()")
            .error(),
        argument("hidden behind a mutable reference", "&mut Tx", "&'t str")
            .local("let mut tx = Tx { text: &local };", "&mut tx")
            .outer("let mut tx = Tx { text: &*text };", "&mut tx")
            .gives("v.text")
            .store("v.text = $", "tx.text.to_string();")
            .reference(),
        argument("hidden in a guard", "MutexGuard<String>", "MutexGuard<'t, String>")
            .argument("Mutex<String>", "Mutex::new($)")
            .local("let lock = Mutex::new(local);", "lock.lock().unwrap()")
            .outer("", "text.lock().unwrap()")
            .not_send(),
        argument("hidden in an iterator", "Chars", "Chars<'t>")
            .local("", "local.chars()")
            .outer("", "text.chars()")
            .read("$.collect::<String>()")
            .error(),
        argument("hidden in a pinned future", "BoxFuture<String>", "BoxFuture<'t, String>")
            .local("", "Box::pin(async { local.clone() })")
            .outer("", "Box::pin(async { text.clone() })")
            .read("block_on($)")
            .not_send(),
        argument("hidden in an alias", "Alias", "Option<&'t String>")
            .local("", "Some(&local)")
            .outer("", "Some(&*text)")
            .read("$.unwrap().clone()")
            .error(),
        argument("hidden in an alias of a mutable reference", "AliasMut", "&'t mut String")
            .items("type AliasMut<'a> = &'a mut String;")
            .mutable()
            .local("", "&mut local")
            .outer("", "&mut *text"),
        argument("hidden in a result alias", "ConnResult", "&'t String")
            .local("", "&local")
            .outer("", "&*text")
            .result(),
        argument("hidden in a tuple", "(Tx, u32)", "(Tx<'t>, u32)")
            .local("", "(Tx { text: &local }, 5)")
            .outer("", "(Tx { text: &*text }, 5)")
            .read("$.0.text.to_string()")
            .error(),
        argument("hidden in an option", "Option<Tx>", "Option<Tx<'t>>")
            .local("", "Some(Tx { text: &local })")
            .outer("", "Some(Tx { text: &*text })")
            .read("$.unwrap().text.to_string()")
            .error(),
        argument("hidden in a cell", "Rc<RefCell<Vec<Tx>>>", "Rc<RefCell<Vec<Tx<'t>>>>")
            .local("let list = Rc::new(RefCell::new(vec![Tx { text: &local }]));", "list.clone()")
            .outer("let list = Rc::new(RefCell::new(vec![Tx { text: &*text }]));", "list.clone()")
            .read("$.borrow()[0].text.to_string()")
            .store("v.borrow_mut().push(Tx { text: $ })", "list.borrow().last().unwrap().text.to_string();")
            .not_send()
            .error(),
        argument("type macro", "reference!()", "&'t String")
            .items(macro_items)
            .local("", "&local")
            .outer("", "&*text")
            .error(),
        argument("type macro in an option", "Option<reference!()>", "Option<&'t String>")
            .items(macro_items)
            .local("", "Some(&local)")
            .outer("", "Some(&*text)")
            .read("$.unwrap().clone()")
            .error(),
    ]
}

/// Lifetimes that are named.
fn named() -> Vec<Form> {
    vec![
        argument("named reference", "&'a String", "&'t String").local("", "&local").outer("", "&*text").error(),
        argument("named mutable reference", "&'a mut String", "&'t mut String")
            .mutable()
            .local("", "&mut local")
            .outer("", "&mut *text"),
        argument("named in a path", "Tx<'a>", "Tx<'t>")
            .local("", "Tx { text: &local }")
            .outer("", "Tx { text: &*text }")
            .read("$.text.to_string()")
            .error(),
        argument("named bound of an object", "Box<dyn Fn() -> String + 'a>", "Box<dyn Fn() -> String + 't>")
            .local("", "Box::new(|| local.clone())")
            .outer("", "Box::new(|| text.clone())")
            .read("$()")
            .not_send()
            .error(),
        argument("named in a guard", "MutexGuard<'a, String>", "MutexGuard<'t, String>")
            .argument("Mutex<String>", "Mutex::new($)")
            .local("let lock = Mutex::new(local);", "lock.lock().unwrap()")
            .outer("", "text.lock().unwrap()")
            .not_send(),
        argument("named in a list", "&mut Vec<&'a str>", "&'t str")
            .local("let mut list = vec![local.as_str()];", "&mut list")
            .outer("let mut list = vec![text.as_str()];", "&mut list")
            .gives("v.pop().unwrap()")
            .store("v.push($)", "list.concat();")
            .reference(),
    ]
}

/// Objects without a bound, which is `'static` in a signature.
fn objects() -> Vec<Form> {
    let function = |name, ty, escaped| lasting(name, ty, escaped).read("$()");
    let owned = "let owned = text.to_string();";
    let list = "let mut list: Vec<Box<dyn Fn() -> String>> = vec![Box::new(|| local.clone())];";
    let owned_list = "let owned = text.to_string(); let mut list: Vec<Box<dyn Fn() -> String>> = vec![Box::new(move || owned.clone())];";
    let called = "list.iter().for_each(|f| drop(f()));";
    let pushed = "v.push(Box::new(move || $.to_string()))";
    vec![
        function("boxed function", "Box<dyn Fn() -> String>", "Box<dyn Fn() -> String + 't>")
            .local("", "Box::new(|| local.clone())")
            .outer(owned, "Box::new(move || owned.clone())")
            .not_send()
            .error(),
        function("boxed function that is `Send`", "Box<dyn FnOnce() -> String + Send>", "Box<dyn FnOnce() -> String + Send + 't>")
            .local("", "Box::new(|| local.clone())")
            .outer(owned, "Box::new(move || owned)")
            .error(),
        lasting("boxed object", "Box<dyn Display>", "Box<dyn Display + 't>")
            .local("", "Box::new(&local)")
            .outer(owned, "Box::new(owned)")
            .not_send()
            .error(),
        lasting("counted object", "Rc<dyn Display>", "Rc<dyn Display + 't>")
            .local("", "Rc::new(&local)")
            .outer(owned, "Rc::new(owned)")
            .not_send()
            .error(),
        lasting("counted object that is `Send`", "Arc<dyn Say + Send + Sync>", "Arc<dyn Say + Send + Sync + 't>")
            .local("", "Arc::new(Tx { text: &local })")
            .outer(owned, "Arc::new(owned)")
            .read("$.say()")
            .error(),
        lasting("list of boxed functions", "Vec<Box<dyn Fn() -> String>>", "Vec<Box<dyn Fn() -> String + 't>>")
            .local("", "vec![Box::new(|| local.clone())]")
            .outer(owned, "vec![Box::new(move || owned.clone())]")
            .read("$[0]()")
            .not_send()
            .error(),
        lasting("option of a boxed object", "Option<Box<dyn Say>>", "Option<Box<dyn Say + 't>>")
            .local("", "Some(Box::new(Tx { text: &local }))")
            .outer(owned, "Some(Box::new(owned))")
            .read("$.unwrap().say()")
            .not_send()
            .error(),
        lasting("tuple of a boxed function", "(Box<dyn Fn() -> String>, u32)", "(Box<dyn Fn() -> String + 't>, u32)")
            .local("", "(Box::new(|| local.clone()), 5)")
            .outer(owned, "(Box::new(move || owned.clone()), 5)")
            .read("($.0)()")
            .not_send()
            .error(),
        lasting("array of boxed functions", "[Box<dyn Fn() -> String>; 1]", "[Box<dyn Fn() -> String + 't>; 1]")
            .local("", "[Box::new(|| local.clone())]")
            .outer(owned, "[Box::new(move || owned.clone())]")
            .read("$[0]()")
            .not_send()
            .error(),
        function("function that gives a boxed one", "Box<dyn Fn() -> Box<dyn Fn() -> String>>", "Box<dyn Fn() -> String + 't>")
            .local("", "Box::new(|| Box::new(|| local.clone()))")
            .outer(owned, "Box::new(move || { let owned = owned.clone(); Box::new(move || owned.clone()) })")
            .gives("v()")
            .not_send(),
        function("reference to a function that gives a boxed one", "&dyn Fn() -> Box<dyn Fn() -> String>", "Box<dyn Fn() -> String + 't>")
            .local("let f = || -> Box<dyn Fn() -> String> { Box::new(|| local.clone()) };", "&f")
            .outer("let owned = text.to_string(); let f = move || -> Box<dyn Fn() -> String> { let owned = owned.clone(); Box::new(move || owned.clone()) };", "&f")
            .gives("v()")
            .not_send(),
        function("mutable reference to boxed functions", "&mut Vec<Box<dyn Fn() -> String>>", "Box<dyn Fn() -> String + 't>")
            .local(list, "&mut list")
            .outer(owned_list, "&mut list")
            .gives("v.pop().unwrap()")
            .store(pushed, called)
            .not_send(),
        function("mutable reference to boxed functions, `'_`", "&'_ mut Vec<Box<dyn Fn() -> String>>", "Box<dyn Fn() -> String + 't>")
            .local(list, "&mut list")
            .outer(owned_list, "&mut list")
            .gives("v.pop().unwrap()")
            .store(pushed, called)
            .not_send(),
        lasting("shared list of boxed objects", "Rc<RefCell<Vec<Box<dyn Display>>>>", "Rc<RefCell<Vec<Box<dyn Display + 't>>>>")
            .local("let list: Rc<RefCell<Vec<Box<dyn Display>>>> = Rc::new(RefCell::new(vec![Box::new(&local)]));", "list.clone()")
            .outer("let owned = text.to_string(); let list: Rc<RefCell<Vec<Box<dyn Display>>>> = Rc::new(RefCell::new(vec![Box::new(owned)]));", "list.clone()")
            .read("$.borrow()[0].to_string()")
            .store("v.borrow_mut().push(Box::new($))", "drop(list.borrow().last().unwrap().to_string());")
            .not_send()
            .error(),
        function("boxed function in an alias", "Action", "Box<dyn Fn() -> String + 't>")
            .items("type Action = Box<dyn Fn() -> String>;")
            .local("", "Box::new(|| local.clone())")
            .outer(owned, "Box::new(move || owned.clone())")
            .not_send()
            .error(),
        function("boxed function, `'static`", "Box<dyn Fn() -> String + 'static>", "Box<dyn Fn() -> String + 't>")
            .local("", "Box::new(|| local.clone())")
            .outer(owned, "Box::new(move || owned.clone())")
            .not_send()
            .error(),
    ]
}

/// What is `'static` as it is written.
fn statics() -> Vec<Form> {
    let pointer = |name, ty: &'static str| lasting(name, ty, ty);
    vec![
        lasting("static text", "&'static str", "&'t str").local("", "local.as_str()").outer("", "TEXT").error(),
        lasting("static reference", "&'static String", "&'t String")
            .local("", "&local")
            .outer("static KEPT: LazyLock<String> = LazyLock::new(|| TEXT.into());", "&KEPT"),
        lasting("static in a path", "Tx<'static>", "Tx<'t>")
            .local("", "Tx { text: &local }")
            .outer("", "Tx { text: TEXT }")
            .read("$.text.to_string()")
            .error(),
        lasting("owned", "String", "String").outer("", "text.to_string()").error(),
        pointer("function pointer", "fn(&str) -> &str").outer("", "str::trim").read("$(TEXT).to_string()"),
        pointer("function pointer that gives a path", "fn(&str) -> Tx")
            .outer("", "tx")
            .read("$(TEXT).text.to_string()"),
        pointer("function pointer that gives an object", "fn(&str) -> Box<dyn Fn() -> String>")
            .outer("", "boxed")
            .read("$(TEXT)()"),
    ]
}
