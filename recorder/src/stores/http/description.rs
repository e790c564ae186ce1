//! A web application, as a TOML file describes it.
//!
//! Errors in a description are reported before any request is sent: an unknown name, a place that cannot be filled
//! in, an address that cannot be used. The probe reports what does not fit the application.

use super::entry::{EntryPoint, parse_entry};
use super::live::{LiveSource, LiveTable};
use super::take::{TakeFrom, TakeTable};
use super::template::{Template, TemplatePlace};
use super::tls::{TlsClient, TlsTable};
use super::users::Users;
use super::wire::HttpVersions;
use crate::Failure;
use crate::stores::yours::{LinkTable, NodeTable, RoleTable, YourStack};
use serde::Deserialize;
use std::collections::BTreeMap;
use workloads::Strike;

/// A description that has been checked.
#[derive(Clone, Debug)]
pub struct Description {
    pub(super) entries: Vec<EntryPoint>,
    pub(super) spread: Spread,
    renewed_by: Vec<String>,
    pub(crate) id: IdPlace,
    pub(crate) node: Option<String>,
    pub(super) clock: Option<(String, ClockUnit)>,
    pub(crate) visit: Option<RequestStep>,
    pub(crate) create: RequestStep,
    pub(crate) read: RequestStep,
    pub(crate) write: Option<RequestStep>,
    pub(crate) patch: Option<RequestStep>,
    pub(crate) touch: Option<RequestStep>,
    pub(crate) renew: Option<RequestStep>,
    pub(crate) destroy: Option<RequestStep>,
    pub(crate) act: Option<RequestStep>,
    pub(crate) actions: Option<RequestStep>,
    pub(crate) audit: Option<RequestStep>,
    /// The connection that each session keeps open.
    pub(super) live: Option<LiveSource>,
    /// Users that exist before the run.
    pub(super) users: Users,
    /// How connections are secured, if an address begins with `https`.
    pub(super) tls: Option<TlsClient>,
    /// The versions of HTTP that requests use.
    pub(super) versions: HttpVersions,
    /// The nodes, links and roles that a run may strike.
    yours: YourStack,
}

/// Which entry a request uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Spread {
    /// The entry of the client's seat: requests of a user enter anywhere.
    #[default]
    Seat,
    /// One entry for all requests of a user.
    User,
}

/// Where the id of a session is found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum IdPlace {
    /// In the cookie of this name.
    Cookie(String),
    /// In this header of the answer. Requests send it as `send` describes.
    Header(String, SendHeader),
    /// At this place in the answer's JSON. Requests send it as `send` describes.
    Token(String, SendHeader),
}

/// A header that sends an id.
pub(crate) type SendHeader = (String, Template);

/// When an operation counts as acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Acknowledged {
    /// When the headers of the answer have arrived. A browser follows a redirect at that point.
    Headers,
    /// When the complete body has arrived.
    #[default]
    Body,
}

/// The unit of a clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ClockUnit {
    /// Seconds, with or without a fraction.
    S,
    /// Milliseconds.
    #[default]
    Ms,
    /// Nanoseconds.
    Ns,
}

/// One request, and the meaning of its possible answers.
#[derive(Clone, Debug)]
pub(crate) struct RequestStep {
    pub(crate) name: &'static str,
    /// What is requested before it.
    pub(crate) before: Vec<RequestStep>,
    /// What is taken from its answer, by name, if it comes before another one.
    pub(crate) take: Vec<(String, TakeFrom)>,
    pub(crate) method: String,
    pub(crate) path: Template,
    pub(crate) headers: Vec<(String, Template)>,
    pub(crate) body: Option<Template>,
    /// Statuses that mean that the operation was done. If none is listed, these are 200 to 299.
    pub(crate) ok: Vec<u16>,
    /// Statuses that mean that there is no such session.
    pub(crate) absent: Vec<u16>,
    /// Statuses that mean that the operation was not done.
    pub(crate) refused: Vec<u16>,
    pub(crate) acknowledged: Acknowledged,
    pub(crate) follow: bool,
    /// The following are JSON pointers into the answer.
    pub(crate) value: Option<String>,
    pub(crate) fields: Option<String>,
    pub(crate) list: Option<String>,
    pub(crate) entry: AuditPointers,
}

/// JSON pointers into an entry of the audit trail.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct AuditPointers {
    pub(super) event: String,
    pub(super) id: Option<String>,
    pub(super) trace: Option<String>,
    pub(super) value: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DescriptionFile {
    entries: BTreeMap<String, String>,
    #[serde(default)]
    spread: Spread,
    #[serde(default = "all_but_reads")]
    renewed_by: Vec<String>,
    session: SessionTable,
    #[serde(default)]
    answer: AnswerTable,
    visit: Option<StepTable>,
    create: StepTable,
    read: StepTable,
    write: Option<StepTable>,
    patch: Option<StepTable>,
    touch: Option<StepTable>,
    renew: Option<StepTable>,
    destroy: Option<StepTable>,
    act: Option<StepTable>,
    actions: Option<StepTable>,
    audit: Option<StepTable>,
    live: Option<LiveTable>,
    users: Option<String>,
    tls: Option<TlsTable>,
    http2: Option<bool>,
    #[serde(default)]
    nodes: BTreeMap<String, NodeTable>,
    #[serde(default)]
    links: BTreeMap<String, LinkTable>,
    #[serde(default)]
    roles: BTreeMap<String, RoleTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionTable {
    cookie: Option<String>,
    header: Option<String>,
    token: Option<String>,
    send: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerTable {
    node: Option<String>,
    clock: Option<String>,
    #[serde(default)]
    clock_unit: ClockUnit,
    #[serde(default)]
    acknowledged: Acknowledged,
    #[serde(default)]
    absent: Vec<u16>,
    #[serde(default)]
    refused: Vec<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepTable {
    #[serde(default)]
    before: Vec<StepTable>,
    #[serde(default)]
    take: BTreeMap<String, TakeTable>,
    #[serde(default = "get")]
    method: String,
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    #[serde(default)]
    ok: Vec<u16>,
    absent: Option<Vec<u16>>,
    refused: Option<Vec<u16>>,
    acknowledged: Option<Acknowledged>,
    #[serde(default)]
    follow: bool,
    value: Option<String>,
    fields: Option<String>,
    list: Option<String>,
    event: Option<String>,
    id: Option<String>,
    trace: Option<String>,
}

/// The default for the operations that give a session its full time to live again.
fn all_but_reads() -> Vec<String> {
    ["create", "write", "patch", "touch", "renew"].map(str::to_owned).to_vec()
}

fn get() -> String {
    "GET".to_owned()
}

impl Description {
    /// Reads a description.
    ///
    /// # Errors
    /// A message about the first error in the description.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let file: DescriptionFile = toml::from_str(text).map_err(|why| why.to_string())?;
        let answer = &file.answer;
        let step = |name, table: Option<StepTable>| {
            table
                .map(|table| parse_step(name, table, answer).map_err(|why| format!("[{name}]: {why}")))
                .transpose()
        };
        let names: Vec<String> = file.entries.keys().cloned().collect();
        let mut yours = YourStack::from_tables(file.nodes, file.links, file.roles, &names)?;
        let is_secure = file.entries.values().any(|url| url.starts_with("https://"))
            || file.live.as_ref().is_some_and(LiveTable::is_secure)
            || yours.has_secure_nodes();
        let tls = match (file.tls, is_secure) {
            (Some(_), false) => {
                return Err(
                    "[tls] has no effect: no address in [entries] or [nodes] begins with https://, and url in [live] \
                     does not begin with wss://"
                        .into()
                );
            }
            (_, false) => None,
            (table, true) => Some(table.unwrap_or_default().load().map_err(|why| format!("[tls]: {why}"))?),
        };
        yours.use_tls(tls.as_ref())?;
        let users = file.users.as_deref().map_or(Ok(Users::default()), Users::from_file)?;
        let live = file.live.map(|live| live.read(&answer.absent, |column| users.has(column)));
        let must = |found: Option<RequestStep>| found.expect("a table makes a step");
        let description = Self {
            entries: file
                .entries
                .iter()
                .map(|(name, url)| parse_entry(name, url))
                .collect::<Result<_, _>>()?,
            spread: file.spread,
            renewed_by: file.renewed_by.clone(),
            id: parse_id_place(&file.session).map_err(|why| format!("[session]: {why}"))?,
            node: answer.node.clone(),
            clock: answer.clock.clone().map(|header| (header, answer.clock_unit)),
            visit: step("visit", file.visit)?,
            create: must(step("create", Some(file.create))?),
            read: must(step("read", Some(file.read))?),
            write: step("write", file.write)?,
            patch: step("patch", file.patch)?,
            touch: step("touch", file.touch)?,
            renew: step("renew", file.renew)?,
            destroy: step("destroy", file.destroy)?,
            act: step("act", file.act)?,
            actions: step("actions", file.actions)?,
            audit: step("audit", file.audit)?,
            live: live.transpose().map_err(|why| format!("[live]: {why}"))?,
            users,
            tls,
            versions: match file.http2 {
                None => HttpVersions::Negotiated,
                Some(true) => HttpVersions::Http2,
                Some(false) => HttpVersions::Http1,
            },
            yours,
        };
        description.check_consistency()?;
        Ok(description)
    }

    /// Replaces the entries.
    pub fn with_entries<'a>(
        mut self,
        entries: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, String> {
        self.entries =
            entries.into_iter().map(|(name, url)| parse_entry(name, url)).collect::<Result<_, _>>()?;
        self.check_consistency().map(|()| self)
    }

    /// The names of the entries.
    pub fn entry_names(&self) -> Vec<String> {
        self.entries.iter().map(|entry| entry.name.to_string()).collect()
    }

    /// What all paths of the application begin with, at its first entry.
    pub(crate) fn entry_base(&self) -> &str {
        self.entries.first().map_or("", |entry| entry.base.as_str())
    }

    /// How connections to the application are secured: as `[tls]` says, or with the CAs of the system.
    pub(crate) fn tls_client(&self) -> Result<TlsClient, String> {
        self.tls.clone().map_or_else(|| TlsTable::default().load(), Ok)
    }

    /// The nodes, links and roles that a run may strike.
    pub(crate) fn yours(&self) -> &YourStack {
        &self.yours
    }

    /// Checks that a fault can be caused on the nodes and links of the file.
    ///
    /// # Errors
    /// Says which node or link lacks what.
    pub(crate) fn check_strike(&self, strike: &Strike) -> Result<(), String> {
        let entries = self.entry_names();
        let names = [self.yours.end_names(&entries), self.yours.role_names()].concat();
        let target = strike.target.as_ref().map(|target| target.resolve_names(&names));
        let strike = Strike { target, ..strike.clone() };
        match strike.fault.strikes_links() {
            true => self.yours.check_strike_of_links(&strike, &entries),
            false => self.yours.check_strike_of_nodes(&strike),
        }
    }

    /// Lists the faults of each node and link of the file, and what a node lacks for the others.
    pub fn faults_listing(&self) -> String {
        self.yours.list_possible_faults(&self.entry_names())
    }

    pub(crate) fn entries_mut(&mut self) -> impl Iterator<Item = &mut EntryPoint> {
        self.entries.iter_mut()
    }

    /// The operations that give a session its whole time to live anew.
    pub fn renewing_operations(&self) -> &[String] {
        &self.renewed_by
    }

    /// The operations that are not described and therefore cannot be done.
    pub fn missing_steps(&self) -> Vec<&'static str> {
        let steps = [
            ("write", &self.write),
            ("patch", &self.patch),
            ("touch", &self.touch),
            ("renew", &self.renew),
            ("destroy", &self.destroy),
            ("act", &self.act),
            ("actions", &self.actions),
        ];
        steps.into_iter().filter(|(_, step)| step.is_none()).map(|(name, _)| name).collect()
    }

    /// Adds statuses that mean that an operation was not done.
    pub fn add_refused_statuses(&mut self, statuses: &[u16]) {
        for step in self.steps_mut() {
            step.refused.extend(statuses);
        }
    }

    /// Sets when every operation except reads counts as acknowledged.
    pub fn set_acknowledged(&mut self, acknowledged: Acknowledged) {
        for step in self.steps_mut() {
            step.acknowledged = acknowledged;
        }
    }

    fn steps_mut(&mut self) -> impl Iterator<Item = &mut RequestStep> {
        let more = [
            &mut self.visit,
            &mut self.write,
            &mut self.patch,
            &mut self.touch,
            &mut self.renew,
            &mut self.destroy,
            &mut self.act,
            &mut self.actions,
            &mut self.audit,
        ];
        [&mut self.create, &mut self.read].into_iter().chain(more.into_iter().flatten())
    }

    fn check_consistency(&self) -> Result<(), String> {
        if self.entries.is_empty() {
            return Err(
                "[entries] is empty: name at least one, as in main = \"http://127.0.0.1:8080\"".into()
            );
        }
        for entry in &self.entries {
            match (&entry.secure_host, &self.tls) {
                (Some(host), Some(tls)) => drop(tls.name_for_host(host)?),
                (Some(_), None) => return Err(format!("[entries] {}: https needs [tls]", entry.name)),
                (None, _) => {}
            }
        }
        let renews = ["create", "read", "write", "patch", "touch", "renew"];
        if let Some(odd) = self.renewed_by.iter().find(|name| !renews.contains(&name.as_str())) {
            return Err(format!("renewed_by has {odd:?}; it may have {}", renews.join(", ")));
        }
        if self.read.value.is_none() && self.read.fields.is_none() {
            return Err(
                "[read] says neither where the value is in the answer (value = \"/data\") nor where the \
                        fields are (fields = \"/fields\")"
                    .into(),
            );
        }
        let takes = |step: &RequestStep, place| step.templates().any(|template| template.has_place(place));
        let values = [Some(&self.create), self.write.as_ref(), self.patch.as_ref()];
        for step in values.into_iter().flatten() {
            if !takes(step, TemplatePlace::Value) {
                return Err(format!("[{}] has no {{value}}: what is to be held is never sent", step.name));
            }
        }
        for (step, place, name) in
            [(&self.patch, TemplatePlace::Field, "{field}"), (&self.act, TemplatePlace::Action, "{action}")]
        {
            if let Some(step) = step
                && !takes(step, place)
            {
                return Err(format!("[{}] has no {name}", step.name));
            }
        }
        for (step, what) in [(&self.actions, "the actions"), (&self.audit, "the entries")] {
            if let Some(step) = step
                && step.list.is_none()
            {
                return Err(format!("[{}] does not say where {what} are: list = \"/list\"", step.name));
            }
        }
        self.names_make_sense()?;
        match &self.audit {
            Some(audit) if audit.entry.event.is_empty() => {
                Err("[audit] does not say where an entry tells what happened: event = \"/event\"".into())
            }
            Some(audit) if audit.entry.id.is_none() && audit.entry.trace.is_none() => {
                Err("[audit] does not say whose an entry is: id = \"/id\" or trace = \"/trace\"".into())
            }
            _ => Ok(()),
        }
    }
}

impl RequestStep {
    /// All texts with places.
    pub(crate) fn templates(&self) -> impl Iterator<Item = &Template> {
        self.headers.iter().map(|(_, template)| template).chain(&self.body).chain([&self.path])
    }

    /// Whether a status means that the operation was done.
    pub(crate) fn is_success_status(&self, status: u16) -> bool {
        if self.ok.is_empty() { (200..300).contains(&status) } else { self.ok.contains(&status) }
    }

    /// The failure that a status stands for that does not mean success.
    pub(crate) fn failure_for_status(&self, status: u16) -> Failure {
        if self.absent.contains(&status) {
            Failure::no_such_session()
        } else if self.refused.contains(&status) {
            Failure::definite(format!("status {status}"))
        } else {
            Failure::indefinite(format!("status {status}"))
        }
    }
}

fn parse_id_place(table: &SessionTable) -> Result<IdPlace, String> {
    let send = || {
        let line =
            table.send.as_deref().ok_or("how is the id sent? send = \"authorization: Bearer {id}\"")?;
        let (name, text) = line.split_once(':').ok_or("send is a header: \"name: text with {id}\"")?;
        let template = Template::parse(text.trim())?;
        if !template.has_place(TemplatePlace::Id) {
            return Err("send has no {id}".to_owned());
        }
        Ok((parse_header_name(name)?, template))
    };
    match (&table.cookie, &table.header, &table.token) {
        (Some(_), None, None) if table.send.is_some() => {
            Err("a cookie is sent as it is; leave out send".to_owned())
        }
        (Some(name), None, None) => Ok(IdPlace::Cookie(name.clone())),
        (None, Some(name), None) => Ok(IdPlace::Header(parse_header_name(name)?, send()?)),
        (None, None, Some(place)) => Ok(IdPlace::Token(parse_json_pointer(place)?, send()?)),
        _ => {
            Err("where is the id? Exactly one of cookie = \"NAME\", header = \"NAME\", token = \"/POINTER\""
                .to_owned())
        }
    }
}

fn parse_step(name: &'static str, table: StepTable, answer: &AnswerTable) -> Result<RequestStep, String> {
    hyper::Method::from_bytes(table.method.as_bytes())
        .map_err(|_| format!("{:?} is no method", table.method))?;
    if !table.path.starts_with('/') {
        return Err(format!("path = {:?} must begin with /", table.path));
    }
    let header = |(name, text): (&String, &String)| {
        Ok::<_, String>((parse_header_name(name)?, Template::parse(text)?))
    };
    let place = |text: Option<String>| text.map(|text| parse_json_pointer(&text)).transpose();
    let absent = table.absent.unwrap_or_else(|| answer.absent.clone());
    let refused = table.refused.unwrap_or_else(|| answer.refused.clone());
    let statuses = table.ok.iter().chain(&absent).chain(&refused);
    if let Some(odd) = statuses.into_iter().find(|status| !(100..600).contains(*status)) {
        return Err(format!("{odd} is no status"));
    }
    let value = place(table.value)?;
    let before = table.before.into_iter().map(|table| match table.before.is_empty() {
        true => parse_step(name, table, answer),
        false => Err("a request of before has none before it".to_owned()),
    });
    let take = table.take.into_iter().map(|(name, from)| {
        from.read().map(|from| (name.clone(), from)).map_err(|why| format!("take.{name}: {why}"))
    });
    Ok(RequestStep {
        name,
        before: before.collect::<Result<_, _>>()?,
        take: take.collect::<Result<_, _>>()?,
        method: table.method,
        path: Template::parse(&table.path)?,
        headers: table.headers.iter().map(header).collect::<Result<_, _>>()?,
        body: table.body.map(|body| Template::parse(&body)).transpose()?,
        ok: table.ok,
        absent,
        refused,
        acknowledged: table.acknowledged.unwrap_or(answer.acknowledged),
        follow: table.follow,
        fields: place(table.fields)?,
        list: place(table.list)?,
        entry: AuditPointers {
            event: place(table.event)?.unwrap_or_default(),
            id: place(table.id)?,
            trace: place(table.trace)?,
            value: value.clone(),
        },
        value,
    })
}

fn parse_header_name(name: &str) -> Result<String, String> {
    let name = name.trim().to_ascii_lowercase();
    hyper::header::HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is no header"))?;
    Ok(name)
}

/// Checks a JSON pointer: it is empty for the whole document, otherwise it begins with a slash.
fn parse_json_pointer(text: &str) -> Result<String, String> {
    if text.is_empty() || text.starts_with('/') {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is no JSON pointer: it would begin with / (as \"/session/data\")"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = r#"
        entries = { main = "http://127.0.0.1:8080/app/" }
        session = { cookie = "sid" }
        answer = { absent = [401], node = "X-Node" }
        create = { method = "POST", path = "/login", body = "{value}" }
        read = { path = "/session", value = "/data" }
    "#;

    #[test]
    fn the_least_description_is_understood() {
        let description = Description::from_toml(LEAST).unwrap();
        assert_eq!(
            description.entries,
            [EntryPoint {
                name: "main".into(),
                address: "127.0.0.1:8080".into(),
                front: None,
                base: "/app".into(),
                secure_host: None
            }]
        );
        assert_eq!(description.read.absent, [401]);
        assert!(description.read.is_success_status(204) && !description.read.is_success_status(302));
        assert_eq!(description.missing_steps().len(), 7);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to, expected) in [
            ("http://127.0.0.1:8080/app/", "ftp://x", "begin with http:// or https://"),
            ("http://127.0.0.1:8080/app/", "http://x:99999", "port"),
            ("{value}", "{velue}", "{velue}"),
            ("{value}", "nothing", "[create] has no {value}"),
            ("value = ", "valu = ", "unknown field `valu`"),
            ("cookie = \"sid\"", "", "where is the id?"),
            ("cookie = \"sid\"", "token = \"/t\"", "how is the id sent?"),
            ("cookie = \"sid\"", "token = \"t\", send = \"a: {id}\"", "JSON pointer"),
            ("/login", "login", "must begin with /"),
            ("401", "4010", "4010 is no status"),
            (", value = \"/data\"", "", "neither where the value is"),
        ] {
            assert!(LEAST.contains(from), "{from}");
            let why = Description::from_toml(&LEAST.replace(from, to)).map(drop);
            let why = why.err().unwrap_or_else(|| panic!("{from} -> {to} is accepted"));
            assert!(why.contains(expected), "{from} -> {to}: {why}");
        }
    }
}
