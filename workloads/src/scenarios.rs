//! Scenarios: a realistic fault with the load under which it does damage, defined in a file.
//!
//! A scenario is data: options of `steadfast run` by their names, a set of them for each store on which it makes sense,
//! and the lesson that it teaches. It contains no code, so that users can write scenarios for their own stacks in the
//! same way. On each store it has two variants. With the usual settings it `finds` something. With `sound`, the options
//! that a team would change, it does not find that. On the embedded store the sound variant finds nothing else either.
//! A real store may still break another promise: with `WAIT`, Redis loses no write, but a read at a primary that was
//! cut off still returns old data.
//!
//! ```toml
//! title = "The primary is killed"
//! promise = "acknowledged writes survive a failover"
//! story = "…"
//!
//! [options]                      # for every store
//! workload = "session"
//! faults = ["kill:primary@3s+4s"]
//!
//! [on.embedded]                  # a store that it can be run on
//! finds = ["lost-write"]
//! sound = { replication = "quorum" }
//!
//! [on.redis-sentinel]
//! options = { duration = "20s" } # more options, or others
//! finds = ["lost-write"]
//! sound = { wait = 1 }
//! ```

use std::collections::BTreeMap;
use toml::Table;

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        /// The scenarios that are part of the program: name and text.
        const BUILT_IN: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../scenarios/", $name, ".toml")))),*];
    };
}

built_in! {
    "churn",
    "fixation",
    "fresh-deployment",
    "full-memory",
    "kill-primary",
    "large-payloads",
    "logout-during-slow-write",
    "node-replacement",
    "orders-in-the-session",
    "partition-primary",
    "pause-primary",
    "peak-load",
    "proxy-retries",
    "rapid-failures",
    "redirect-before-save",
    "renewal-during-slow-request",
    "rollback",
    "rolling-restart",
    "rolling-upgrade",
    "shared-cache",
    "skewed-replica",
    "slow-replica-reads",
    "two-forms",
    "two-regions",
    "two-tabs",
}

/// A scenario.
#[derive(Clone, PartialEq, Debug)]
pub struct Scenario {
    /// The name that users type.
    pub name: String,
    /// A short description of what happens.
    pub title: String,
    /// The promise to sessions that the scenario tests.
    pub promise: String,
    /// What happens, why it happens in practice, and what a team should discuss.
    pub story: String,
    /// The limits on figures that belong to the promise, as users type them.
    pub objectives: Vec<String>,
    options: Table,
    on: BTreeMap<String, ScenarioOnStore>,
}

/// A scenario on one store.
#[derive(Clone, PartialEq, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ScenarioOnStore {
    /// Options for this store. They take precedence over those for every store.
    #[serde(default)]
    options: Table,
    /// The findings with the usual settings of the store.
    #[serde(default)]
    finds: Vec<String>,
    /// Options that prevent these findings. They take precedence over all others.
    sound: Option<Table>,
    /// The reason why no option prevents these findings.
    incurable: Option<String>,
}

impl ScenarioOnStore {
    fn contradicts_itself(&self) -> bool {
        self.sound.is_some() && self.incurable.is_some()
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ScenarioFile {
    title: String,
    promise: String,
    story: String,
    #[serde(default)]
    objectives: Vec<String>,
    #[serde(default)]
    options: Table,
    on: BTreeMap<String, ScenarioOnStore>,
}

impl Scenario {
    /// All scenarios that are part of the program, by name.
    pub fn all() -> Vec<Scenario> {
        let read = |&(name, text): &(&str, &str)| {
            Scenario::from_toml(name, text).expect("a test reads every scenario that comes with the program")
        };
        BUILT_IN.iter().map(read).collect()
    }

    /// The scenario with this name, if it is part of the program.
    pub fn by_name(name: &str) -> Option<Scenario> {
        Scenario::all().into_iter().find(|scenario| scenario.name == name)
    }

    /// Parses a scenario from a TOML file. The error says what is wrong and on which line.
    pub fn from_toml(name: &str, text: &str) -> Result<Scenario, String> {
        let file: ScenarioFile = toml::from_str(text).map_err(|why| why.to_string())?;
        if file.on.is_empty() {
            return Err("it is on no store: expected a table such as [on.embedded]".to_owned());
        }
        if let Some(store) =
            file.on.iter().find_map(|(store, side)| side.contradicts_itself().then_some(store))
        {
            return Err(format!("on {store} it is both sound and incurable"));
        }
        let (name, story) = (name.to_owned(), file.story.trim().to_owned());
        let ScenarioFile { title, promise, objectives, options, on, .. } = file;
        Ok(Scenario { name, title, promise, story, objectives, options, on })
    }

    /// The stores that the scenario can be run on.
    pub fn stores(&self) -> impl Iterator<Item = &str> {
        self.on.keys().map(String::as_str)
    }

    /// The findings on a store with its usual settings.
    pub fn expected_findings(&self, store: &str) -> &[String] {
        self.on.get(store).map_or(&[], |side| &side.finds)
    }

    /// Whether there are options on the store that prevent the usual findings.
    pub fn has_sound_options(&self, store: &str) -> bool {
        self.on.get(store).is_some_and(|side| side.sound.is_some())
    }

    /// The reason why no option of the store prevents the findings, if the scenario gives one.
    pub fn reason_incurable(&self, store: &str) -> Option<&str> {
        self.on.get(store)?.incurable.as_deref()
    }

    /// The options of a run on the store, by the names that users type. The error says why there are none.
    pub fn options_on_store(&self, store: &str, sound: bool) -> Result<Table, String> {
        let name = &self.name;
        let side = self.on.get(store).ok_or_else(|| {
            let stores: Vec<_> = self.stores().collect();
            format!("the scenario {name} cannot be run on {store}; it can on {}", stores.join(", "))
        })?;
        let mut options = self.options.clone();
        options.extend(side.options.clone());
        match (sound, &side.sound) {
            (true, Some(sound)) => options.extend(sound.clone()),
            (true, None) => {
                let why = side.incurable.as_ref().map_or(String::new(), |why| format!(": {why}"));
                return Err(format!("no option of {store} prevents what the scenario {name} finds{why}"));
            }
            (false, _) => {}
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_reads_and_says_what_it_is_for() {
        for (name, text) in BUILT_IN {
            let scenario = Scenario::from_toml(name, text).unwrap_or_else(|why| panic!("{name}: {why}"));
            assert!(!scenario.title.is_empty() && !scenario.promise.is_empty() && !scenario.story.is_empty());
            assert!(
                scenario.stores().any(|store| store == "embedded"),
                "{name} runs without anything installed"
            );
            assert!(scenario.stores().count() > 1, "{name} runs on a real stack");
            for store in scenario.stores() {
                scenario.options_on_store(store, false).unwrap();
                let sound = scenario.has_sound_options(store);
                assert_ne!(
                    sound,
                    scenario.reason_incurable(store).is_some(),
                    "{name} on {store}: a cure, or why there is none"
                );
            }
        }
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios")).unwrap();
        assert_eq!(files.count(), BUILT_IN.len(), "every file is built in");
    }

    const SMALL: &str = "title = 't'\npromise = 'p'\nstory = 's'\noptions = { seed = 1, load = 'closed' }\n\
        [on.embedded]\noptions = { seed = 2 }\nsound = { seed = 3 }\n[on.redis]\n";

    #[test]
    fn options_win_from_the_general_to_the_special() {
        let scenario = Scenario::from_toml("small", SMALL).unwrap();
        let seed =
            |store, sound| scenario.options_on_store(store, sound).unwrap()["seed"].as_integer().unwrap();
        assert_eq!([seed("redis", false), seed("embedded", false), seed("embedded", true)], [1, 2, 3]);
        assert_eq!(scenario.options_on_store("embedded", true).unwrap()["load"].as_str(), Some("closed"));
        assert!(
            scenario
                .options_on_store("redis", true)
                .unwrap_err()
                .ends_with("no option of redis prevents what the scenario small finds")
        );
        let told = Scenario::from_toml("small", &format!("{SMALL}incurable = 'it keeps nothing'")).unwrap();
        assert!(told.options_on_store("redis", true).unwrap_err().ends_with("finds: it keeps nothing"));
        assert!(scenario.options_on_store("etcd", false).unwrap_err().contains("embedded, redis"));
    }

    #[test]
    fn nonsense_is_refused_with_its_line() {
        for (text, says) in [
            (SMALL.replace("title", "titel"), "titel"),
            (SMALL.replace("sound", "sounds"), "sounds"),
            (SMALL.replace("[on.redis]", "incurable = 'i'\n[on.redis]"), "both sound and incurable"),
            ("title = 't'\npromise = 'p'\nstory = 's'\n[on]\n".to_owned(), "on no store"),
        ] {
            let why = Scenario::from_toml("x", &text).unwrap_err();
            assert!(why.contains(says), "{why}");
        }
    }
}
