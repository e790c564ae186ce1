//! A copy of the workspace in which one module has all its mutants behind a switch.
//!
//! The copy stays in `target/mutants/copy` between runs, and only files that differ are written again, so that Cargo builds again
//! only what changed. Mutants that the compiler rejects are given up: it is asked until it accepts the rest.

use crate::rewrite::{Mutant, MutationSite, SourceFile};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::error::Error;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How often the compiler is asked for mutants that it rejects. Each time it tells the errors of one phase at least.
const BUILDS_MAX: usize = 40;

/// Folders that are not copied.
const NOT_COPIED: &[&str] = &["target", "node_modules", ".git"];

/// The copy, and the files of the module that was mutated in it.
pub(crate) struct MutatedWorkspace {
    root: PathBuf,
    folder: PathBuf,
    target: PathBuf,
    /// The crate of the module: its folder inside the workspace, and its name.
    crate_folder: PathBuf,
    pub(crate) crate_name: String,
    files: BTreeMap<PathBuf, SourceFile>,
    /// The mutants that the copy gets, if not all of them.
    wanted: Option<BTreeSet<u32>>,
    /// The number of mutants, those that do not build included.
    pub(crate) total: u32,
}

/// A test program.
pub(crate) struct TestProgram {
    pub(crate) path: PathBuf,
    /// The folder that Cargo runs it in.
    pub(crate) folder: PathBuf,
}

impl MutatedWorkspace {
    /// Copies the workspace and mutates the Rust files at or below `module`.
    pub(crate) fn from_workspace(root: &Path, module: &Path) -> Result<MutatedWorkspace, Box<dyn Error>> {
        let target = root.join("target/mutants");
        let folder = target.join("copy");
        let within = |folder: &&Path| root.join(folder).join("Cargo.toml").exists();
        let crate_folder = module.ancestors().find(within).ok_or("no crate around the module")?.to_owned();
        let manifest = fs::read_to_string(root.join(&crate_folder).join("Cargo.toml"))?;
        let name = manifest.lines().find_map(|line| line.strip_prefix("name = \""));
        let crate_name = name.ok_or("a crate without a name")?.trim_end_matches('"').to_owned();
        let (mut files, mut total) = (BTreeMap::new(), 0);
        for path in rust_files(&root.join(module))? {
            let text = fs::read_to_string(&path)?;
            let parsed = SourceFile::parse(&text, &mut total);
            let parsed = parsed.map_err(|why| format!("{}: {why}", path.display()))?;
            files.insert(path.strip_prefix(root)?.to_owned(), parsed);
        }
        let switched = ["src/lib.rs", "src/mutant_switch.rs"].map(|file| crate_folder.join(file));
        copy_folder(root, &folder, &|path| {
            files.contains_key(path) || switched.iter().any(|file| file == path)
        })?;
        Ok(MutatedWorkspace {
            root: root.to_owned(),
            folder,
            target,
            crate_folder,
            crate_name,
            files,
            wanted: None,
            total,
        })
    }

    /// Every place of the module with the file that it is in.
    pub(crate) fn sites(&self) -> impl Iterator<Item = (&Path, &MutationSite)> {
        self.files.iter().flat_map(|(path, file)| file.sites.iter().map(|site| (path.as_path(), site)))
    }

    /// Every mutant of the module, in the order of their numbers.
    pub(crate) fn mutants(&self) -> impl Iterator<Item = &Mutant> {
        self.sites().flat_map(|(_, site)| &site.mutants)
    }

    /// Gives up all mutants except these. The copy is then hardly larger than the code, so that it is built and runs about as fast.
    pub(crate) fn keep_only(&mut self, wanted: BTreeSet<u32>) {
        let sites = self.files.values_mut().flat_map(|file| &mut file.sites);
        for mutant in sites.flat_map(|site| &mut site.mutants) {
            mutant.builds &= wanted.contains(&mutant.number);
        }
        self.wanted = Some(wanted);
    }

    /// Writes the mutants into the copy, and gives up those that do not compile.
    pub(crate) fn write_compiling_mutants(&mut self) -> Result<(), Box<dyn Error>> {
        self.add_switch()?;
        self.give_up_known_rejects();
        for _ in 0..BUILDS_MAX {
            for (path, file) in &mut self.files {
                let mut text = file.write_mutants();
                if path.strip_prefix(&self.crate_folder).is_ok_and(|path| path == Path::new("src/lib.rs")) {
                    text.push_str(SWITCH_LINE);
                }
                write_changed(&self.folder.join(path), text.as_bytes())?;
            }
            let messages = self.run_cargo(&["check", "--lib", "-p", &self.crate_name])?;
            let errors: Vec<&Value> = messages.iter().filter(|message| is_error(message)).collect();
            if errors.is_empty() {
                return self.keep_rejects();
            }
            let mut given_up = self.give_up_rejected(&errors, false);
            if given_up == 0 {
                given_up = self.give_up_rejected(&errors, true);
            }
            // A statement that was left out may let code be reached that was not, such as a second use of a moved value.
            if given_up == 0 {
                given_up = errors.iter().map(|error| self.give_up_statements(&error["message"])).sum();
            }
            eprintln!("{} errors of the compiler: {given_up} mutants given up", errors.len());
            if given_up == 0 {
                return Err(format!("the copy does not compile: {}", errors[0]["message"]["rendered"]).into());
            }
        }
        Err(format!("the copy does not compile after {BUILDS_MAX} attempts").into())
    }

    /// The file of the mutants that the compiler rejected in a run before, and its first line, which tells the code.
    fn rejects_file(&self) -> (PathBuf, String) {
        let mut hasher = DefaultHasher::new();
        for (path, file) in &self.files {
            (path, file.text()).hash(&mut hasher);
        }
        self.wanted.hash(&mut hasher);
        (self.target.join("rejected.txt"), format!("{:x}", hasher.finish()))
    }

    /// Gives up what the compiler rejected in a run before on the same code.
    fn give_up_known_rejects(&mut self) {
        let (path, code) = self.rejects_file();
        let text = fs::read_to_string(path).unwrap_or_default();
        if text.lines().next() != Some(&code) {
            return;
        }
        let rejected: HashSet<u32> = text.lines().skip(1).filter_map(|line| line.parse().ok()).collect();
        let sites = self.files.values_mut().flat_map(|file| &mut file.sites);
        for mutant in sites.flat_map(|site| &mut site.mutants) {
            mutant.builds &= !rejected.contains(&mutant.number);
        }
    }

    fn keep_rejects(&self) -> Result<(), Box<dyn Error>> {
        let (path, code) = self.rejects_file();
        let rejected = self.mutants().filter(|mutant| !mutant.builds);
        let lines: Vec<String> = rejected.map(|mutant| format!("\n{}", mutant.number)).collect();
        Ok(fs::write(path, code + &lines.concat())?)
    }

    /// Gives up the mutants where errors are, or where their notes are. Returns how many.
    fn give_up_rejected(&mut self, errors: &[&Value], by_notes: bool) -> usize {
        let mut given_up = 0;
        for (file, byte) in errors.iter().flat_map(|error| places_of_error(&error["message"], by_notes)) {
            if let Some(file) = self.files.get_mut(Path::new(&file)) {
                given_up += file.give_up_at(byte);
            }
        }
        given_up
    }

    /// Gives up the mutants that leave out statements between the first and the last code that an error tells of.
    fn give_up_statements(&mut self, error: &Value) -> usize {
        let places = [places_of_error(error, false), places_of_error(error, true)].concat();
        let Some((file, _)) = places.first() else { return 0 };
        let bytes = places.iter().filter(|(of, _)| of == file).map(|(_, byte)| *byte);
        let (from, to) = (bytes.clone().min().unwrap_or(0), bytes.max().unwrap_or(0));
        let Some(file) = self.files.get_mut(Path::new(file)) else { return 0 };
        // A statement that leaves a loop may come after all of them.
        let mut wider = (0..5).map(|times| from.saturating_sub(times * 400)..to + 1 + times * 400);
        wider
            .find_map(|bytes| Some(file.give_up_statements_within(bytes)).filter(|count| *count > 0))
            .unwrap_or(0)
    }

    /// Builds the tests of the module's crate, and the tests in the `tests` folders of some others: all of a crate, or one program, as
    /// `crate/program`. With `with_units`, the unit tests of these crates as well.
    ///
    /// Cargo is asked once, because it chooses the features for all packages together. Asked for one package after another, it would
    /// build the mutants for each.
    pub(crate) fn build_tests(
        &self,
        others: &[String],
        with_units: bool,
    ) -> Result<Vec<TestProgram>, Box<dyn Error>> {
        let own = format!("{}/*", self.crate_name);
        let mut arguments = vec!["test".to_owned(), "--no-run".to_owned()];
        arguments.extend(with_units.then(|| "--lib".to_owned()));
        for wanted in [&own].into_iter().chain(others) {
            let (name, program) = wanted.split_once('/').unwrap_or((wanted, "*"));
            arguments.extend(["-p".to_owned(), name.to_owned()]);
            let programs = match program {
                "*" => self.programs_of_crate(name)?,
                one => vec![one.to_owned()],
            };
            arguments.extend(programs.into_iter().flat_map(|program| ["--test".to_owned(), program]));
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        programs_of(&self.run_cargo(&arguments)?)
    }

    /// The names of the test programs in the `tests` folder of a crate.
    fn programs_of_crate(&self, name: &str) -> Result<Vec<String>, Box<dyn Error>> {
        let messages = Command::new("cargo")
            .args(["metadata", "--no-deps", "--format-version=1", "--quiet"])
            .current_dir(&self.folder)
            .stderr(Stdio::inherit())
            .output()?;
        let metadata: Value = serde_json::from_slice(&messages.stdout)?;
        let packages = metadata["packages"].as_array().map_or(&[][..], Vec::as_slice);
        let own = packages.iter().filter(|package| package["name"] == name);
        let targets = own.flat_map(|package| package["targets"].as_array().into_iter().flatten());
        let tests = targets.filter(|target| target["kind"][0] == "test");
        Ok(tests.filter_map(|target| Some(target["name"].as_str()?.to_owned())).collect())
    }

    /// Adds the switch to the crate of the module.
    fn add_switch(&self) -> Result<(), Box<dyn Error>> {
        let source = self.folder.join(&self.crate_folder).join("src");
        let switch = include_str!("switch.txt").replace("SITES", &self.total.to_string());
        write_changed(&source.join("mutant_switch.rs"), switch.as_bytes())?;
        let library = self.crate_folder.join("src/lib.rs");
        if !self.files.contains_key(&library) {
            let text = fs::read_to_string(self.root.join(&library))?;
            write_changed(&self.folder.join(&library), (text + SWITCH_LINE).as_bytes())?;
        }
        Ok(())
    }

    /// Puts the collector in front of the verifier. The next run of the tool takes it away again.
    pub(crate) fn add_collector(&self) -> Result<(), Box<dyn Error>> {
        let source = self.folder.join(&self.crate_folder).join("src");
        let collector = include_str!("collector.txt").replace("SITES", &self.total.to_string());
        write_changed(&source.join("mutant_collector.rs"), collector.as_bytes())?;
        let library = source.join("lib.rs");
        let text = fs::read_to_string(&library)?;
        let hidden = text.replacen("pub fn verify(", "pub(crate) fn verify_without_mutants(", 1);
        if hidden == text {
            return Err("the crate has no function that verifies".into());
        }
        Ok(fs::write(library, hidden + "\nmod mutant_collector;\npub use mutant_collector::verify;\n")?)
    }

    /// Runs Cargo in the copy, and returns its messages.
    fn run_cargo(&self, arguments: &[&str]) -> Result<Vec<Value>, Box<dyn Error>> {
        let mut cargo = Command::new("cargo");
        cargo.args(arguments).args(["--message-format=json", "--quiet"]);
        cargo.args(["--config", "profile.dev.debug=false"]);
        cargo.current_dir(&self.folder).env("CARGO_TARGET_DIR", self.target.join("build"));
        let output = cargo.stderr(Stdio::inherit()).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let messages: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        if !output.status.success() && !messages.iter().any(is_error) {
            return Err(format!("cargo {} ended with {}", arguments.join(" "), output.status).into());
        }
        Ok(messages)
    }
}

/// The test programs that Cargo built, by its messages.
fn programs_of(messages: &[Value]) -> Result<Vec<TestProgram>, Box<dyn Error>> {
    if let Some(error) = messages.iter().find(|message| is_error(message)) {
        return Err(format!("a test does not compile: {}", error["message"]["rendered"]).into());
    }
    let mut programs = Vec::new();
    for message in messages.iter().filter(|message| message["profile"]["test"] == true) {
        let (Some(path), Some(manifest)) =
            (message["executable"].as_str(), message["manifest_path"].as_str())
        else {
            continue;
        };
        let folder = Path::new(manifest).parent().ok_or("a manifest without a folder")?;
        programs.push(TestProgram { path: path.into(), folder: folder.into() });
    }
    match programs.is_empty() {
        true => Err("Cargo built no test program".into()),
        false => Ok(programs),
    }
}

const SWITCH_LINE: &str = "\nmod mutant_switch;\n";

fn is_error(message: &Value) -> bool {
    message["reason"] == "compiler-message" && message["message"]["level"] == "error"
}

/// The files and bytes that an error is about, or that its notes are about.
fn places_of_error(error: &Value, by_notes: bool) -> Vec<(String, usize)> {
    // A name may have no value because a statement was left out. The statement is in the notes of the error.
    let is_about_notes = by_notes || error["code"]["code"] == "E0381";
    let spans = error["spans"].as_array().map_or(&[][..], Vec::as_slice);
    let told = spans.iter().filter(|span| span["is_primary"] != is_about_notes);
    told.filter_map(|span| {
        let mut span = span;
        // The code of a macro: where it was called.
        while span["expansion"].is_object() {
            span = &span["expansion"]["span"];
        }
        Some((span["file_name"].as_str()?.to_owned(), span["byte_start"].as_u64()? as usize))
    })
    .collect()
}

/// Makes `to` a copy of `from`. Files that are the same are left alone, and files that are gone are removed. Files that are
/// written by somebody else are left alone too: Cargo builds again what was written, even if it was written back.
fn copy_folder(
    from: &Path,
    to: &Path,
    is_written_else: &dyn Fn(&Path) -> bool,
) -> Result<(), Box<dyn Error>> {
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        fs::create_dir_all(to.join(&folder))?;
        for entry in fs::read_dir(to.join(&folder))? {
            let entry = entry?;
            let source = from.join(&folder).join(entry.file_name());
            match (source.exists(), entry.file_type()?.is_dir()) {
                (true, _) => {}
                (false, false) if is_written_else(&folder.join(entry.file_name())) => {}
                (false, true) => fs::remove_dir_all(entry.path())?,
                (false, false) => fs::remove_file(entry.path())?,
            }
        }
        for entry in fs::read_dir(from.join(&folder))? {
            let entry = entry?;
            let name = entry.file_name();
            let kind = entry.file_type()?;
            if kind.is_dir() && !NOT_COPIED.iter().any(|not| name == *not) {
                folders.push(folder.join(name));
            } else if kind.is_file() && !is_written_else(&folder.join(&name)) {
                write_changed(&to.join(&folder).join(name), &fs::read(entry.path())?)?;
            }
        }
    }
    Ok(())
}

/// Writes a file unless it has this content already, so that Cargo sees no change.
fn write_changed(path: &Path, content: &[u8]) -> Result<(), Box<dyn Error>> {
    if fs::read(path).ok().as_deref() != Some(content) {
        fs::write(path, content)?;
    }
    Ok(())
}

/// The Rust files at or below a path that are no tests, in order.
fn rust_files(path: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let (mut found, mut rest) = (Vec::new(), vec![path.to_owned()]);
    while let Some(path) = rest.pop() {
        if path.is_dir() {
            for entry in fs::read_dir(&path)? {
                rest.push(entry?.path());
            }
        } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
    found.sort();
    match found.is_empty() {
        true => Err(format!("{} has no Rust file", path.display()).into()),
        false => Ok(found),
    }
}
