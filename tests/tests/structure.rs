//! The structure of the two library crates: no module imports itself by way of others, and ARCHITECTURE.md knows every
//! module and every name.
//!
//! `cargo test -p tests --test structure -- --nocapture` prints the import graph.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{Item, UseTree};

/// A module, as the parts of its path in the crate.
type Module = Vec<String>;

/// The modules that each module imports from.
type Graph = BTreeMap<Module, BTreeSet<Module>>;

const CRATES: [&str; 2] = ["runtime", "macros"];

/// The files of a crate, by their modules.
fn files(krate: &str) -> BTreeMap<Module, syn::File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join(krate).join("src");
    let mut files = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of the crate") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let file = syn::parse_file(&fs::read_to_string(&path).expect("a text")).expect("a file of Rust");
            files.insert(module(path.strip_prefix(&root).expect("it is in there")), file);
        }
    }
    files
}

fn module(path: &Path) -> Module {
    let parts = path.with_extension("");
    let mut parts: Module = parts.iter().map(|part| part.to_str().expect("a name").to_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod" || last == "lib") {
        parts.pop();
    }
    parts
}

/// Collects the paths that a file imports or names.
struct Paths<'m> {
    module: &'m [String],
    found: Vec<Module>,
}

impl Paths<'_> {
    /// Adds a path that begins with `crate`, `super` or `self`, as one from the root of the crate.
    fn add(&mut self, path: &[String]) {
        let absolute = match path {
            [first, rest @ ..] if first == "crate" => rest.to_vec(),
            [first, rest @ ..] if first == "self" => [self.module, rest].concat(),
            _ => {
                let up = path.iter().take_while(|part| *part == "super").count();
                if up == 0 || up > self.module.len() {
                    return;
                }
                [&self.module[..self.module.len() - up], &path[up..]].concat()
            }
        };
        self.found.push(absolute);
    }

    fn add_tree(&mut self, before: &[String], tree: &UseTree) {
        match tree {
            UseTree::Path(path) => self.add_tree(&[before, &[path.ident.to_string()]].concat(), &path.tree),
            UseTree::Name(name) => self.add(&[before, &[name.ident.to_string()]].concat()),
            UseTree::Rename(name) => self.add(&[before, &[name.ident.to_string()]].concat()),
            UseTree::Glob(_) => self.add(before),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_tree(before, tree)),
        }
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add_tree(&[], &item.tree);
    }

    // `pub(super)` imports nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Module = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.add(&parts);
        visit::visit_path(self, path);
    }
}

/// Returns the import graph of a crate. That a module uses those in it is no import, and neither is a path at the root,
/// where all modules meet.
fn graph(files: &BTreeMap<Module, syn::File>) -> Graph {
    let imports = |(module, file): (&Module, &syn::File)| {
        let mut paths = Paths { module, found: Vec::new() };
        paths.visit_file(file);
        let longest = |path: Module| (1..=path.len()).rev().map(|n| path[..n].to_vec()).find(|m| files.contains_key(m));
        let imported = paths.found.into_iter().filter_map(longest).filter(|other| !other.starts_with(module));
        (module.clone(), imported.collect())
    };
    files.iter().map(imports).collect()
}

/// Returns all modules that are reached from `module`.
fn reached(graph: &Graph, module: &Module) -> BTreeSet<Module> {
    let mut reached = BTreeSet::new();
    let mut next = vec![module];
    while let Some(module) = next.pop() {
        next.extend(graph[module].iter().filter(|other| reached.insert((*other).clone())));
    }
    reached
}

#[test]
fn no_module_imports_itself_by_way_of_others() {
    for krate in CRATES {
        let graph = graph(&files(krate));
        let edges: usize = graph.values().map(BTreeSet::len).sum();
        println!("{krate}: {} modules, {edges} imports", graph.len());
        for (module, imported) in &graph {
            let imported: Vec<_> = imported.iter().map(|module| module.join("::")).collect();
            println!("  {} -> {}", module.join("::"), imported.join(", "));
        }
        let in_cycle: Vec<_> =
            graph.keys().filter(|module| reached(&graph, module).contains(*module)).map(|m| m.join("::")).collect();
        assert!(in_cycle.is_empty(), "modules of `{krate}` that import each other in a circle: {in_cycle:?}");
    }
}

#[test]
fn a_circle_is_found() {
    let module = |name: &str| vec![name.to_owned()];
    let files = [("a", "use crate::b::B;"), ("b", "fn f() { super::c::g() }"), ("c", "use crate::{a, d};"), ("d", "")];
    let files = files.map(|(name, text)| (module(name), syn::parse_file(text).unwrap())).into();
    let graph = graph(&files);
    let in_cycle = graph.keys().filter(|module| reached(&graph, module).contains(*module));
    assert_eq!(in_cycle.cloned().collect::<Vec<_>>(), ["a", "b", "c"].map(module));
}

/// Returns the names of the types and traits of a file, but for those in functions.
fn names(items: &[Item]) -> Vec<String> {
    let mut names = Vec::new();
    for item in items {
        match item {
            Item::Struct(item) => names.push(item.ident.to_string()),
            Item::Enum(item) => names.push(item.ident.to_string()),
            Item::Union(item) => names.push(item.ident.to_string()),
            Item::Trait(item) => names.push(item.ident.to_string()),
            Item::Mod(item) => names.extend(item.content.iter().flat_map(|(_, items)| self::names(items))),
            _ => {}
        }
    }
    names
}

#[test]
fn the_architecture_knows_every_module_and_every_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let architecture = fs::read_to_string(root.join("ARCHITECTURE.md")).expect("the architecture");
    let knows = |name: &str| architecture.contains(&format!("`{name}`"));
    let mut unknown = Vec::new();
    for (module, file) in CRATES.into_iter().flat_map(files) {
        if module.last().is_some_and(|last| !knows(&module.join("::")) && !knows(last)) {
            unknown.push(module.join("::"));
        }
        unknown.extend(names(&file.items).into_iter().filter(|name| !knows(name)));
    }
    assert!(unknown.is_empty(), "ARCHITECTURE.md does not say what these are: {unknown:?}");
}

/// Collects which function sets which `State` of a header.
#[derive(Default)]
struct Transitions {
    /// The type of the `impl` around it.
    of: Option<String>,
    function: String,
    found: BTreeSet<(String, String)>,
}

impl<'ast> Visit<'ast> for Transitions {
    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let syn::Type::Path(path) = &*item.self_ty else { return };
        self.of = path.path.segments.last().map(|segment| segment.ident.to_string());
        visit::visit_item_impl(self, item);
        self.of = None;
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.function = match &self.of {
            Some(of) => format!("{of}::{}", signature.ident),
            None => signature.ident.to_string(),
        };
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let is_state = matches!(&*call.receiver, syn::Expr::Field(field) if matches!(&field.member, syn::Member::Named(name) if name == "state"));
        if is_state && (call.method == "set" || call.method == "replace") {
            let mut states = States::default();
            call.args.iter().for_each(|argument| states.visit_expr(argument));
            self.found.extend(states.0.into_iter().map(|state| (self.function.clone(), state)));
        }
        visit::visit_expr_method_call(self, call);
    }
}

/// Collects the variants of `State` that an expression names.
#[derive(Default)]
struct States(Vec<String>);

impl<'ast> Visit<'ast> for States {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if let [.., state, variant] = &parts[..]
            && state == "State"
        {
            self.0.push(variant.clone());
        }
    }
}

/// The guide has a picture of this table.
#[test]
fn the_architecture_knows_every_function_that_changes_the_state() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let architecture = fs::read_to_string(root.join("ARCHITECTURE.md")).expect("the architecture");
    let (_, section) = architecture.split_once("\n## States\n").expect("a section on states");
    let table = section.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let names = |cell: &str| cell.split(", ").map(|name| name.trim_matches('`').to_owned()).collect::<Vec<_>>();
    let (mut known, mut states) = (BTreeSet::new(), BTreeSet::new());
    for line in table.take_while(|line| line.starts_with('|')) {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        known.extend(names(cells[2]).into_iter().map(|function| (function, names(cells[1]).swap_remove(0))));
        states.extend([names(cells[0]), names(cells[1])].concat());
    }
    let mut transitions = Transitions::default();
    let files = files("runtime");
    files
        .iter()
        .filter(|(module, _)| module[..].starts_with(&["raw".into()]))
        .for_each(|(_, file)| transitions.visit_file(file));
    assert_eq!(known, transitions.found);
    let header = &files[&module(Path::new("raw/header.rs"))];
    let variants = header.items.iter().find_map(|item| match item {
        Item::Enum(item) if item.ident == "State" => {
            Some(item.variants.iter().map(|it| it.ident.to_string()).collect())
        }
        _ => None,
    });
    assert_eq!(Some(states), variants);
}
