//! A web application that is already running, as a [`Backend`].

use super::{HttpFronts, HttpStore};
use crate::stores::backend::{Backend, Choices, Recording, is_between_servers};
use crate::system::{Capabilities, Means, connected};
use crate::{Outcome, Peace};
use histories::Function;
use std::time::Duration;
use workloads::{Kind, Strike};

/// An application that a file describes.
#[derive(Debug)]
pub struct GivenApplication;

impl Backend for GivenApplication {
    fn name(&self) -> &'static str {
        "http"
    }

    fn line(&self) -> &'static str {
        "a web application that is there already, as a file describes it (--stack)"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Session]
    }

    fn usual_fault(&self) -> Option<&'static str> {
        None
    }

    fn after_heal(&self) -> Duration {
        Duration::ZERO
    }

    fn is_described(&self) -> bool {
        true
    }

    fn lacks(&self, choices: &Choices) -> Vec<Function> {
        let names = choices.description.iter().flat_map(|(_, described)| described.lacks());
        let steps = [
            Function::WRITE,
            Function::PATCH,
            Function::TOUCH,
            Function::RENEW,
            Function::DESTROY,
            Function::ACT,
            Function::ACTIONS,
        ];
        let known = |name| steps.into_iter().find(|step| workloads::function_name(*step) == name);
        names.filter_map(known).collect()
    }

    fn renewed_by(&self, choices: &Choices) -> Vec<String> {
        choices.description.iter().flat_map(|(_, described)| described.renewed_by().to_vec()).collect()
    }

    fn node_names(&self, choices: &Choices) -> Result<Vec<String>, String> {
        Ok(choices.description.iter().flat_map(|(_, described)| described.entry_names()).collect())
    }

    fn lets(&self, strike: &Strike, _choices: &Choices) -> Result<(), String> {
        let fault = strike.fault;
        if fault.is_of_links() && !is_between_servers(strike) {
            let can = Means::Proxies.can(fault);
            return can.map_err(|why| format!("{fault} cannot be caused on http: {why}"));
        }
        Err(format!(
            "{fault}: what is behind the entries is not ours to break, only their links to clients are \
             (express-redis starts servers of its own)"
        ))
    }

    fn place(&self, strike: &Strike, _capabilities: &Capabilities) -> Option<String> {
        let of_users = strike.fault.is_of_links() && !is_between_servers(strike);
        (of_users && Means::Proxies.can(strike.fault).is_ok()).then(|| "http (its users)".to_owned())
    }

    fn setup(&self, choices: &Choices) -> String {
        choices.description.as_ref().map_or(String::new(), |(file, _)| file.display().to_string())
    }

    fn shows_replicas(&self, _: Kind) -> bool {
        false
    }

    fn counts_writes(&self) -> bool {
        false
    }

    fn record(&self, choices: &Choices, recording: Recording) -> Result<Outcome, String> {
        let described = choices.description.clone();
        let (file, mut description) =
            described.ok_or("http needs --stack FILE: how the application is used")?;
        let lacks = description.lacks();
        if !lacks.is_empty() {
            let missing = lacks.iter().map(|name| format!("[{name}]")).collect::<Vec<_>>().join(", ");
            (recording.remark)(&format!(
                "{} has no {missing}: these operations are not asked for",
                file.display()
            ));
        }
        connected(async {
            let store = if choices.keep_secrets { HttpStore::keeping_secrets } else { HttpStore::new };
            let direct = store(description.clone());
            let probed = recording.unless_stopped(direct.probe()).await?;
            probed.map_err(|why| format!("{}: {why}", file.display()))?;
            // Without faults, no proxy is needed between the users and the entries.
            if recording.settings.plan.episodes.is_empty() {
                return recording.drive(direct, &mut Peace).await;
            }
            let mut fronts = HttpFronts::put(&mut description).await?;
            recording.drive(store(description), &mut fronts).await
        })
    }
}
