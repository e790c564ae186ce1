//! Finds the places of a source file that can be mutated, and writes the file with all mutants behind a switch.
//!
//! Each place keeps its code and gets its mutants beside it: `a < b` becomes
//! `(match chosen(7, 2) { 1 => {a <= b} 2 => {a >= b} _ => {a < b} })`. The mutants repeat the code as it was written, without
//! places inside it, because only one mutant runs at a time. The file therefore grows with the depth of nesting and not
//! exponentially.
//!
//! A condition also tells how it was decided, so that a run of the tests shows the conditions that were only true or only false.
//!
//! Code that the compiler evaluates, patterns, types, tests and the arguments of macros are left alone.

use std::ops::Range;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{BinOp, Expr, Stmt};

/// How the code of a place is put behind the switch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shape {
    /// An expression, replaced by another.
    Expression,
    /// A statement, left out.
    Statement,
    /// An early return at the start of a function's body. The place is empty.
    Entry,
}

/// A place with its mutants.
#[derive(Clone, Debug)]
pub(crate) struct MutationSite {
    shape: Shape,
    range: Range<usize>,
    /// Whether the code is a condition, so that both of its outcomes can be noted.
    pub(crate) is_condition: bool,
    pub(crate) line: usize,
    pub(crate) mutants: Vec<Mutant>,
}

impl MutationSite {
    /// Gives up one mutant, or all of the place. Returns how many.
    fn give_up(&mut self, only: Option<usize>) -> usize {
        let mutants = self.mutants.iter_mut().enumerate();
        let given_up = mutants.filter(|(at, mutant)| mutant.builds && only.is_none_or(|only| only == *at));
        given_up.map(|(_, mutant)| mutant.builds = false).count()
    }
}

/// One small change of the code.
#[derive(Clone, Debug)]
pub(crate) struct Mutant {
    /// The code instead.
    text: String,
    /// What was changed, on one line.
    pub(crate) told: String,
    /// The number for the switch.
    pub(crate) number: u32,
    /// Whether it is written: it is wanted, and the compiler accepts it as far as is known.
    pub(crate) builds: bool,
}

/// A file of source code and the places in it.
pub(crate) struct SourceFile {
    text: String,
    pub(crate) sites: Vec<MutationSite>,
    /// The bytes of the file that was written last that belong to a place, or to one mutant of it.
    written: Vec<(Range<usize>, usize, Option<usize>)>,
}

impl SourceFile {
    /// Finds the places. `next` is the number of the first mutant, and is increased by the number of mutants.
    pub(crate) fn parse(text: &str, next: &mut u32) -> Result<SourceFile, syn::Error> {
        let file = syn::parse_file(text)?;
        let mut finder = SiteFinder { text, sites: Vec::new() };
        finder.visit_file(&file);
        let mut sites = finder.sites;
        // Outer places first, so that they can be written in one pass.
        sites.sort_by_key(|site| (site.range.start, usize::MAX - site.range.end));
        for mutant in sites.iter_mut().flat_map(|site| &mut site.mutants) {
            mutant.number = *next;
            *next += 1;
        }
        Ok(SourceFile { text: text.to_owned(), sites, written: Vec::new() })
    }

    /// The file without mutants.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The file with the mutants that build behind the switch.
    pub(crate) fn write_mutants(&mut self) -> String {
        let mut out = String::with_capacity(self.text.len() * 3);
        let mut written = Vec::new();
        let mut open: Vec<(usize, usize)> = Vec::new();
        let mut at = 0;
        let close = |out: &mut String, written: &mut Vec<_>, at: &mut usize, (site, from): (usize, usize)| {
            let MutationSite { range, shape, .. } = &self.sites[site];
            out.push_str(&self.text[*at..range.end]);
            *at = range.end;
            out.push_str(match shape {
                Shape::Expression if self.sites[site].is_condition => ") } })",
                Shape::Expression => " } })",
                Shape::Statement => " }",
                Shape::Entry => "",
            });
            written.push((from..out.len(), site, None));
        };
        for (number, site) in self.sites.iter().enumerate() {
            if !site.mutants.iter().any(|mutant| mutant.builds) {
                continue;
            }
            while let Some(&outer) = open.last()
                && self.sites[outer.0].range.end <= site.range.start
            {
                close(&mut out, &mut written, &mut at, outer);
                open.pop();
            }
            out.push_str(&self.text[at..site.range.start]);
            at = site.range.start;
            let from = out.len();
            write_opening(&mut out, &mut written, number, site);
            open.push((number, from));
        }
        while let Some(outer) = open.pop() {
            close(&mut out, &mut written, &mut at, outer);
        }
        out.push_str(&self.text[at..]);
        self.written = written;
        out
    }

    /// Gives up the mutants that the compiler rejects at a byte of the file written last. Returns how many.
    pub(crate) fn give_up_at(&mut self, byte: usize) -> usize {
        let around = self.written.iter().filter(|(range, ..)| range.contains(&byte));
        let Some(&(_, site, only)) = around.min_by_key(|(range, ..)| range.len()) else { return 0 };
        self.sites[site].give_up(only)
    }

    /// Gives up the mutants that leave out a statement of these bytes of the file written last. Returns how many.
    pub(crate) fn give_up_statements_within(&mut self, bytes: Range<usize>) -> usize {
        let sites = &mut self.sites;
        let inside = self.written.iter().filter(|(range, ..)| bytes.contains(&range.start));
        let given_up = inside.map(|&(_, site, _)| match sites[site].shape {
            Shape::Statement => sites[site].give_up(None),
            Shape::Expression | Shape::Entry => 0,
        });
        given_up.sum()
    }
}

/// Writes what stands before the code of a place.
fn write_opening(
    out: &mut String,
    written: &mut Vec<(Range<usize>, usize, Option<usize>)>,
    number: usize,
    site: &MutationSite,
) {
    let first = site.mutants[0].number;
    let count = site.mutants.len();
    let chosen = format!("crate::mutant_switch::chosen({first}, {count})");
    if site.shape == Shape::Statement {
        out.push_str(&format!("if {chosen} == 0 {{ "));
        return;
    }
    out.push_str(match site.shape {
        Shape::Expression => "(match ",
        _ => " match ",
    });
    out.push_str(&chosen);
    out.push_str(" { ");
    for (at, mutant) in site.mutants.iter().enumerate().filter(|(_, mutant)| mutant.builds) {
        out.push_str(&format!("{} => {{ ", at + 1));
        let from = out.len();
        out.push_str(&mutant.text);
        written.push((from..out.len(), number, Some(at)));
        out.push_str(" } ");
    }
    match site.shape {
        Shape::Expression if site.is_condition => {
            out.push_str(&format!("_ => {{ crate::mutant_switch::decided({first}, "));
        }
        Shape::Expression => out.push_str("_ => { "),
        _ => out.push_str("_ => {} } "),
    }
}

struct SiteFinder<'t> {
    text: &'t str,
    sites: Vec<MutationSite>,
}

impl SiteFinder<'_> {
    fn text_of(&self, node: &impl Spanned) -> &str {
        &self.text[node.span().byte_range()]
    }

    fn add(&mut self, shape: Shape, node: &impl Spanned, mutants: Vec<String>) {
        self.add_range(shape, node.span().byte_range(), node.span().start().line, mutants);
    }

    fn add_range(&mut self, shape: Shape, range: Range<usize>, line: usize, mutants: Vec<String>) {
        let before = told_in_one_line(&self.text[range.clone()]);
        let mutant = |text: String| {
            let told = match shape {
                Shape::Expression => format!("`{before}` → `{}`", told_in_one_line(&text)),
                Shape::Statement => format!("`{before}` left out"),
                Shape::Entry => format!("`{text}` first"),
            };
            Mutant { text, told, number: 0, builds: true }
        };
        let mutants: Vec<Mutant> = mutants.into_iter().map(mutant).collect();
        if !mutants.is_empty() {
            self.sites.push(MutationSite { shape, range, is_condition: false, line, mutants });
        }
    }

    /// Adds a condition with mutants.
    fn add_condition(&mut self, node: &impl Spanned, mutants: Vec<String>) {
        let count = self.sites.len();
        self.add(Shape::Expression, node, mutants);
        if let Some(site) = self.sites[count..].first_mut() {
            site.is_condition = true;
        }
    }

    fn mutate_binary(&mut self, node: &syn::ExprBinary) {
        let (left, right) = (self.text_of(&node.left), self.text_of(&node.right));
        let others: &[&str] = match node.op {
            BinOp::Eq(_) => &["!="],
            BinOp::Ne(_) => &["=="],
            BinOp::Lt(_) => &["<=", ">="],
            BinOp::Le(_) => &["<", ">"],
            BinOp::Gt(_) => &[">=", "<="],
            BinOp::Ge(_) => &[">", "<"],
            BinOp::And(_) => &["||"],
            BinOp::Or(_) => &["&&"],
            BinOp::Add(_) => &["-"],
            BinOp::Sub(_) => &["+"],
            BinOp::Mul(_) => &["+"],
            BinOp::Div(_) | BinOp::Rem(_) => &["*"],
            BinOp::AddAssign(_) => &["-="],
            BinOp::SubAssign(_) => &["+="],
            BinOp::BitAnd(_) => &["|"],
            BinOp::BitOr(_) => &["&"],
            BinOp::BitOrAssign(_) => &["&="],
            BinOp::BitAndAssign(_) => &["|="],
            _ => &[],
        };
        let is_comparison = matches!(
            node.op,
            BinOp::Eq(_) | BinOp::Ne(_) | BinOp::Lt(_) | BinOp::Le(_) | BinOp::Gt(_) | BinOp::Ge(_)
        );
        let mut mutants: Vec<String> = others.iter().map(|other| format!("{left} {other} {right}")).collect();
        if matches!(node.op, BinOp::And(_) | BinOp::Or(_)) {
            mutants.extend([left.to_owned(), right.to_owned()]);
        }
        if is_comparison && let Some(number) = integer_of(&node.right) {
            let operator = self.text_of(&node.op);
            let others = [number.checked_add(1), number.checked_sub(1)];
            mutants.extend(others.iter().flatten().map(|other| format!("{left} {operator} {other}")));
        }
        match is_comparison || matches!(node.op, BinOp::And(_) | BinOp::Or(_)) {
            true => self.add_condition(node, mutants),
            false => self.add(Shape::Expression, node, mutants),
        }
    }

    fn mutate_method_call(&mut self, node: &syn::ExprMethodCall) {
        const PAIRS: &[(&str, &str)] = &[
            ("min", "max"),
            ("min_by_key", "max_by_key"),
            ("any", "all"),
            ("is_some", "is_none"),
            ("is_some_and", "is_none_or"),
            ("is_ok", "is_err"),
            ("first", "last"),
            ("position", "rposition"),
            ("skip", "take"),
            ("skip_while", "take_while"),
            ("saturating_add", "saturating_sub"),
            ("starts_with", "ends_with"),
        ];
        let name = node.method.to_string();
        let other = PAIRS.iter().find_map(|&(one, other)| match name.as_str() {
            name if name == one => Some(other),
            name if name == other => Some(one),
            _ => None,
        });
        let mut mutants = Vec::new();
        if let Some(other) = other {
            let whole = node.span().byte_range();
            let named = node.method.span().byte_range();
            mutants.push(format!(
                "{}{other}{}",
                &self.text[whole.start..named.start],
                &self.text[named.end..whole.end]
            ));
        }
        mutants.extend(self.swapped_arguments(node, node.args.iter().collect()));
        match ["any", "all", "is_some", "is_none", "is_ok", "is_err"].contains(&name.as_str()) {
            true => self.add_condition(node, mutants),
            false => self.add(Shape::Expression, node, mutants),
        }
    }

    /// The code of a call with each two neighbouring arguments swapped.
    fn swapped_arguments(&self, call: &impl Spanned, arguments: Vec<&Expr>) -> Vec<String> {
        let whole = call.span().byte_range();
        let swapped = |pair: &[&Expr]| {
            let (one, other) = (pair[0].span().byte_range(), pair[1].span().byte_range());
            let text = |range: Range<usize>| &self.text[range];
            let parts = [
                text(whole.start..one.start),
                text(other.clone()),
                text(one.end..other.start),
                text(one.clone()),
                text(other.end..whole.end),
            ];
            (text(one) != text(other)).then(|| parts.concat())
        };
        arguments.windows(2).filter_map(swapped).collect()
    }

    /// A condition that no operator makes is negated.
    fn mutate_condition(&mut self, condition: &Expr) {
        match condition {
            Expr::Binary(binary) if matches!(binary.op, BinOp::And(_)) && has_let(condition) => {
                self.mutate_condition(&binary.left);
                self.mutate_condition(&binary.right);
            }
            // `is_some` has its contrary as a mutant already.
            Expr::MethodCall(call) if call.method.to_string().starts_with("is_") && call.args.is_empty() => {}
            Expr::MethodCall(_) | Expr::Call(_) | Expr::Path(_) | Expr::Field(_) => {
                let mutant = format!("!({})", self.text_of(condition));
                self.add_condition(condition, vec![mutant]);
            }
            _ => {}
        }
    }

    fn mutate_entry(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let syn::ReturnType::Type(_, returned) = &signature.output else { return };
        let values = values_of_type(self.text_of(returned));
        let at = block.brace_token.span.open().byte_range().end;
        let line = block.brace_token.span.open().start().line;
        let mutants = values.iter().map(|value| format!("return {value};")).collect();
        self.add_range(Shape::Entry, at..at, line, mutants);
    }
}

/// Values that a function may return instead of its own.
fn values_of_type(text: &str) -> &'static [&'static str] {
    match text {
        "bool" => &["true", "false"],
        "u8" | "u16" | "u32" | "u64" | "usize" | "i64" | "i32" => &["0", "1"],
        "Result<(), Mismatch>" | "Result<(), String>" => &["Ok(())"],
        "FindingCheck" | "HoldsResult" => &["Ok(())"],
        "Option<bool>" => &["None", "Some(true)", "Some(false)"],
        text if text.contains("impl ") => &[],
        text if text.contains("Confirmation") => &["Ok(Confirmation::Confirmed)"],
        text if text.starts_with("Option<") => &["None"],
        text if text.starts_with("Vec<") => &["Vec::new()"],
        text if text.starts_with("Result<") => &["Ok(Default::default())"],
        _ => &[],
    }
}

/// Whether a chain of conditions binds names. It cannot be put into parentheses.
fn has_let(condition: &Expr) -> bool {
    let mut rest = condition;
    while let Expr::Binary(binary) = rest
        && matches!(binary.op, BinOp::And(_))
    {
        if matches!(*binary.right, Expr::Let(_)) {
            return true;
        }
        rest = &binary.left;
    }
    matches!(rest, Expr::Let(_))
}

fn integer_of(expression: &Expr) -> Option<u64> {
    match expression {
        Expr::Lit(syn::ExprLit { lit: syn::Lit::Int(number), .. }) if number.suffix().is_empty() => {
            number.base10_parse().ok()
        }
        _ => None,
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is = |name: &str| attribute.path().is_ident(name);
        is("test") || is("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|what| what == "test")
    })
}

/// Code on one line, shortened where it is long.
fn told_in_one_line(text: &str) -> String {
    const SIGNS_MAX: usize = 90;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('`', "'").replace('|', "\\|");
    match line.char_indices().nth(SIGNS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

impl<'ast> Visit<'ast> for SiteFinder<'_> {
    fn visit_item(&mut self, node: &'ast syn::Item) {
        match node {
            syn::Item::Mod(module) if is_for_tests(&module.attrs) => {}
            syn::Item::Fn(function) if is_for_tests(&function.attrs) => {}
            // Their values are computed by the compiler.
            syn::Item::Const(_) | syn::Item::Static(_) | syn::Item::Enum(_) => {}
            _ => visit::visit_item(self, node),
        }
    }

    fn visit_item_fn(&mut self, node: &'ast syn::ItemFn) {
        if node.sig.constness.is_none() {
            self.mutate_entry(&node.sig, &node.block);
            self.visit_block(&node.block);
        }
    }

    fn visit_impl_item_fn(&mut self, node: &'ast syn::ImplItemFn) {
        if node.sig.constness.is_none() {
            self.mutate_entry(&node.sig, &node.block);
            self.visit_block(&node.block);
        }
    }

    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}
    fn visit_trait_item_const(&mut self, _: &'ast syn::TraitItemConst) {}
    fn visit_type(&mut self, _: &'ast syn::Type) {}
    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}
    fn visit_expr_const(&mut self, _: &'ast syn::ExprConst) {}
    fn visit_generic_argument(&mut self, _: &'ast syn::GenericArgument) {}

    fn visit_local(&mut self, node: &'ast syn::Local) {
        // The block after `else` must end the function or the loop, so that nothing in it can be left out.
        if let Some(init) = &node.init {
            self.visit_expr(&init.expr);
        }
    }

    fn visit_expr_repeat(&mut self, node: &'ast syn::ExprRepeat) {
        self.visit_expr(&node.expr);
    }

    fn visit_pat(&mut self, node: &'ast syn::Pat) {
        if let syn::Pat::Guard(guarded) = node {
            self.mutate_condition(&guarded.guard);
            self.visit_expr(&guarded.guard);
        }
    }

    fn visit_stmt(&mut self, node: &'ast Stmt) {
        if let Stmt::Expr(expression, Some(_)) = node {
            let can_be_left_out = matches!(
                expression,
                Expr::Call(_)
                    | Expr::MethodCall(_)
                    | Expr::Assign(_)
                    | Expr::Try(_)
                    | Expr::Return(_)
                    | Expr::Continue(_)
                    | Expr::Break(_)
            );
            if can_be_left_out {
                self.add(Shape::Statement, node, vec![String::new()]);
            }
        }
        visit::visit_stmt(self, node);
    }

    fn visit_expr_if(&mut self, node: &'ast syn::ExprIf) {
        self.mutate_condition(&node.cond);
        visit::visit_expr_if(self, node);
    }

    fn visit_expr(&mut self, node: &'ast Expr) {
        match node {
            // A chain that binds names stays a chain.
            Expr::Binary(binary) if !has_let(node) => self.mutate_binary(binary),
            Expr::Unary(unary) if matches!(unary.op, syn::UnOp::Not(_)) => {
                let mutant = self.text_of(&unary.expr).to_owned();
                self.add(Shape::Expression, node, vec![mutant]);
            }
            Expr::MethodCall(call) => self.mutate_method_call(call),
            Expr::Call(call) => {
                let mutants = self.swapped_arguments(call, call.args.iter().collect());
                self.add(Shape::Expression, call, mutants);
            }
            Expr::Lit(syn::ExprLit { lit: syn::Lit::Bool(value), .. }) => {
                self.add(Shape::Expression, node, vec![(!value.value).to_string()]);
            }
            Expr::Macro(called) if called.mac.path.is_ident("matches") => {
                let mutant = format!("!{}", self.text_of(called));
                self.add_condition(node, vec![mutant]);
            }
            _ => {}
        }
        visit::visit_expr(self, node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutated(text: &str) -> (SourceFile, String) {
        let mut file = SourceFile::parse(text, &mut 0).expect("Rust");
        let written = file.write_mutants();
        syn::parse_file(&written).unwrap_or_else(|why| panic!("{why}\n{written}"));
        (file, written)
    }

    fn told(text: &str) -> Vec<String> {
        let (file, _) = mutated(text);
        file.sites.iter().flat_map(|site| &site.mutants).map(|mutant| mutant.told.clone()).collect()
    }

    #[test]
    fn the_code_stays_and_its_mutants_stand_beside_it() {
        let (_, written) = mutated("fn f(a: u32) -> u32 { a + g(a < 3) }");
        let (outer, inner) = ("crate::mutant_switch::chosen(2, 1)", "crate::mutant_switch::chosen(3, 4)");
        // The mutant of the sum repeats the comparison as it was: only one mutant runs at a time.
        let sum = format!("(match {outer} {{ 1 => {{ a - g(a < 3) }} _ => {{ a + g(");
        assert!(written.contains(&sum), "{written}");
        let comparison = format!(
            "(match {inner} {{ 1 => {{ a <= 3 }} 2 => {{ a >= 3 }} 3 => {{ a < 4 }} 4 => {{ a < 2 }} \
             _ => {{ crate::mutant_switch::decided(3, a < 3) }} }})"
        );
        assert!(written.contains(&comparison), "{written}");
        assert!(
            written.contains("{ match crate::mutant_switch::chosen(0, 2) { 1 => { return 0; } "),
            "{written}"
        );
    }

    #[test]
    fn each_kind_of_mistake_is_made() {
        let of = |body: &str| told(&format!("fn f() {{ {body} }}")).join("; ");
        assert_eq!(
            of("x = a && b;"),
            "`x = a && b;` left out; `a && b` → `a \\|\\| b`; `a && b` → `a`; `a && b` → `b`"
        );
        assert_eq!(of("let x = !a;"), "`!a` → `a`");
        assert_eq!(of("let x = a.min(b);"), "`a.min(b)` → `a.max(b)`");
        assert_eq!(of("let x = g(a, b);"), "`g(a, b)` → `g(b, a)`");
        assert_eq!(of("return;"), "`return;` left out");
        assert_eq!(of("check(a)?;"), "`check(a)?;` left out");
        assert_eq!(of("let x = true;"), "`true` → `false`");
        assert_eq!(of("if a {}"), "`a` → `!(a)`");
        assert_eq!(of("match a { b if c => {} _ => {} }"), "`c` → `!(c)`");
        assert_eq!(of("let x = matches!(a, B);"), "`matches!(a, B)` → `!matches!(a, B)`");
    }

    #[test]
    fn what_the_compiler_evaluates_and_what_tests_do_is_left_alone() {
        assert!(told("const A: u32 = 1 + 2; static B: bool = 1 < 2; enum C { D = 1 + 1 }").is_empty());
        assert!(told("const fn f() -> bool { 1 < 2 }").is_empty());
        assert!(told("#[cfg(test)] mod tests { fn f() -> bool { 1 < 2 } }").is_empty());
        assert!(told("#[test] fn f() { g(1 < 2); }").is_empty());
        // The block after `else` must leave the function.
        assert!(told("fn f() { let Some(x) = y else { return }; }").is_empty());
        // A chain that binds names cannot be put into parentheses, and its conditions can.
        assert_eq!(told("fn f() { if let Some(x) = y && x == z {} }"), ["`x == z` → `x != z`"]);
    }

    #[test]
    fn a_mutant_that_the_compiler_rejects_is_given_up_alone() {
        let (mut file, written) = mutated("fn f() { let x = a < b; return; }");
        let at = written.find("a >= b").expect("a mutant");
        assert_eq!(file.give_up_at(at), 1);
        let rest = file.write_mutants();
        assert!(!rest.contains("a >= b") && rest.contains("a <= b"), "{rest}");
        // Nothing in the code as it was can be a mutant's fault alone: the whole place is given up.
        assert_eq!(file.give_up_at(rest.find("a < b").expect("the code")), 1);
        let rest = file.write_mutants();
        assert_eq!(file.give_up_statements_within(0..rest.len()), 1);
        assert_eq!(file.write_mutants(), "fn f() { let x = a < b; return; }");
    }
}
