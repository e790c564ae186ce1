//! Writes a first description of an application, by trying what it can find.
//!
//! A person who describes an application by hand reads the source of its login page, looks for the names of cookies and tokens,
//! and learns which status each request returns. All of that can be seen by logging in once. What was seen goes into the file,
//! with a comment at each place that was guessed; what was not found is asked for. Nothing is left out in silence: a request
//! that is not in the file is named in a comment.
//!
//! Only `GET` requests are sent to paths that nobody named, except for the login form of a page and the logout that a page
//! offers.

mod browser;
mod login;
mod page;
mod step;

use super::cookies::CookieJar;
use super::entry::parse_entry;
use super::tls::TlsTable;
use super::users::Users;
use super::witness::describe_body;
use browser::{DraftBrowser, DraftUser};
use login::{LoginDraft, is_csrf_name};
use page::HtmlPage;
use std::time::{Duration, Instant, SystemTime};
pub use step::FieldsAs;
use step::{StackDraft, StepDraft};
use workloads::SessionPayload;

/// Paths that show whether an application is up.
const HEALTH_PATHS: [&str; 6] = ["/health", "/healthz", "/ping", "/status", "/up", "/ready"];
/// Paths that show the present session.
const READ_PATHS: [&str; 6] = ["/me", "/session", "/api/me", "/api/session", "/cart", "/profile"];
/// The words in a link or a form that ends a session, without spaces and hyphens.
const LOGOUT_WORDS: [&str; 3] = ["logout", "signout", "logoff"];
/// The most texts of a JSON answer that are looked at, and their depth.
const TEXTS_MAX: usize = 4096;
const DEPTH_MAX: usize = 16;

/// What is known of an application.
#[derive(Clone, Debug)]
pub struct DraftOptions {
    /// The entries by name. The first one is tried.
    pub entries: Vec<(String, String)>,
    /// The path of the login.
    pub login: Option<String>,
    /// The fields of the login, by name.
    pub login_fields: Vec<(String, String)>,
    /// The table of users.
    pub users: Option<String>,
    /// The name of the session's cookie.
    pub cookie: Option<String>,
    /// The path of the read.
    pub read: Option<String>,
    /// The JSON pointer to the value in the answer to a read.
    pub value: Option<String>,
    /// `METHOD PATH` of the write.
    pub write: Option<String>,
    /// The fields of the write, by name.
    pub write_fields: Vec<(String, String)>,
    /// How the fields of the login and of the write are sent, where no form says it.
    pub fields_as: Option<FieldsAs>,
    /// `METHOD PATH` of the renewal.
    pub renew: Option<String>,
    /// `METHOD PATH` of the logout.
    pub logout: Option<String>,
    /// The path that shows whether the application is up.
    pub health: Option<String>,
    /// The certificates for addresses that begin with `https`.
    pub tls: TlsTable,
    /// How long one request may take.
    pub patience: Duration,
    /// How long everything may take.
    pub limit: Duration,
}

/// Something that only a person knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DraftQuestion {
    /// What is asked for.
    pub text: String,
    /// The option that answers it.
    pub option: &'static str,
    /// What is taken without an answer.
    pub suggestion: Option<String>,
}

/// Answers a question; `None` if there is nobody to ask, or no answer.
pub type AskPerson<'a> = dyn FnMut(&DraftQuestion) -> Option<String> + Send + 'a;

/// Tries an application and returns a description of it in TOML.
///
/// # Errors
/// Says what was not found or does not work, and which option helps.
pub fn draft_description(options: &DraftOptions, ask: &mut AskPerson<'_>) -> Result<String, String> {
    let (name, url) = options.entries.first().ok_or("there is no address to try")?;
    let entry = parse_entry(name, url)?;
    let tls = entry.secure_host.as_ref().map(|_| options.tls.load()).transpose()?;
    let browser =
        DraftBrowser { entry, tls, patience: options.patience, ends: Instant::now() + options.limit };
    let users = options.users.as_deref().map_or(Ok(Users::default()), Users::from_file)?;
    crate::system::run_in_machine_network(async {
        let drafter = Drafter { options, browser, users, ask };
        drafter.draft().await.map(|draft| draft.to_toml())
    })
}

struct Drafter<'a> {
    options: &'a DraftOptions,
    browser: DraftBrowser,
    users: Users,
    ask: &'a mut AskPerson<'a>,
}

impl Drafter<'_> {
    async fn draft(mut self) -> Result<StackDraft, String> {
        let mut draft = StackDraft {
            notes: vec![
                "Written by `steadfast stack init`. Lines with \"guess\" were found by trying: check them."
                    .to_owned(),
                "Then: steadfast stack test FILE, and steadfast run http --stack FILE".to_owned(),
            ],
            entries: self.options.entries.clone(),
            users: self.options.users.clone(),
            tls: self.options.tls.clone(),
            health: self.find_health().await?,
            ..StackDraft::default()
        };
        if self.options.login_fields.iter().any(|(_, text)| !text.contains('{')) {
            draft.notes.push(
                "The login has values as they were given. For several users: users = \"users.csv\" and {user.COLUMN}."
                    .to_owned(),
            );
        }
        let LoginDraft { mut steps, session, mut user, page, fields_as } = self.log_in().await?;
        draft.session = session;
        let carries_value = self.options.login_fields.iter().any(|(_, text)| text.contains("{value}"));
        draft.write = self.draft_write(&mut user, carries_value, fields_as).await?;
        draft.create = match (&draft.write, carries_value) {
            (Some(write), false) => StepDraft {
                notes: vec![
                    "A session begins with the login, and gets its first value from a write.".to_owned(),
                ],
                ..write.clone()
            },
            _ => steps.pop().expect("a login has a request"),
        };
        draft.before = steps;
        draft.read = self.draft_read(&mut user, draft.write.as_ref()).await?;
        self.draft_absence(&draft.read.clone(), &mut draft).await?;
        draft.renew = self.draft_renewal(&mut user, &mut draft.lacks).await?;
        draft.destroy = self.draft_logout(&mut user, &page, &mut draft.lacks).await?;
        Ok(draft)
    }

    /// A user who has not asked for anything yet.
    fn new_user(&self) -> DraftUser {
        let name = "s-1".to_owned();
        let columns = self.users.line_of(&name);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        // The same kind of text that a run writes, so that what an application does to it is seen now.
        let payload = SessionPayload { session: name.as_str().into(), field: None, version: now, bytes: 64 };
        let value = String::from_utf8_lossy(&payload.to_bytes()).into_owned();
        DraftUser { columns, name, value, ..DraftUser::default() }
    }

    /// The given value, the answer of a person, or the guess, which comes with a note for the file.
    fn choose(
        &mut self,
        given: Option<String>,
        option: &'static str,
        text: &str,
        guess: Option<(String, String)>,
    ) -> Result<(String, Option<String>), String> {
        if let Some(given) = given {
            return Ok((given, None));
        }
        let suggestion = guess.as_ref().map(|(value, _)| value.clone());
        if let Some(answer) = (self.ask)(&DraftQuestion { text: text.to_owned(), option, suggestion }) {
            return Ok((answer, None));
        }
        let (value, why) = guess.ok_or_else(|| format!("{text} is not known. Pass {option}"))?;
        Ok((value, Some(format!("guess: {why}"))))
    }

    /// A path that answers whether the application is up. Everything else fails if it is not.
    async fn find_health(&mut self) -> Result<Option<(String, u16)>, String> {
        let given = self.options.health.clone();
        let paths =
            given.as_ref().map_or(HEALTH_PATHS.map(str::to_owned).to_vec(), |path| vec![path.clone()]);
        for path in paths {
            let page = self.browser.get_page(&mut self.new_user(), &path).await?;
            if (200..300).contains(&page.status) {
                return Ok(Some((path, page.status)));
            }
            if given.is_some() {
                return Err(format!("--health {path}: the application answers with {}", page.describe()));
            }
        }
        Ok(None)
    }

    async fn draft_write(
        &mut self,
        user: &mut DraftUser,
        carries_value: bool,
        login_fields_as: FieldsAs,
    ) -> Result<Option<StepDraft>, String> {
        let question = "the request that writes a value to the session, such as POST /cart";
        let request = match self.choose(self.options.write.clone(), "--write \"METHOD PATH\"", question, None)
        {
            Ok((request, _)) => request,
            // The login writes the value.
            Err(_) if carries_value => return Ok(None),
            Err(why) => {
                return Err(format!("{why}, or let the login write it: --login-field NAME={{value}}"));
            }
        };
        let mut step = self.draft_named_request(&request, user)?;
        if self.options.write_fields.is_empty() {
            step.body = (!step.path.contains("{value}")).then(|| "{value}".to_owned());
            step.notes.push(
                "guess: the body is the value itself; --write-field NAME={value} sends a field".to_owned(),
            );
        } else {
            let fields_as = self.options.fields_as.unwrap_or(login_fields_as);
            if self.options.fields_as.is_none() && fields_as == FieldsAs::Json {
                step.notes.push("guess: JSON, as the login; --fields-as form sends a form".to_owned());
            }
            step.set_fields(&self.options.write_fields, fields_as)?;
        }
        let is_guess = !self.options.write_fields.is_empty() && self.options.fields_as.is_none();
        let hint = match login_fields_as {
            _ if !is_guess => "",
            FieldsAs::Form => {
                ". The fields were sent as a form. If the application wants JSON, pass --fields-as json"
            }
            FieldsAs::Json => {
                ". The fields were sent as JSON. If the application wants a form, pass --fields-as form"
            }
        };
        self.try_step(&mut step, user, "--write").await.map_err(|why| format!("{why}{hint}"))?;
        Ok(Some(step))
    }

    async fn draft_read(
        &mut self,
        user: &mut DraftUser,
        write: Option<&StepDraft>,
    ) -> Result<StepDraft, String> {
        let mut guess = None;
        if self.options.read.is_none() {
            let own = write.map(|write| write.path.clone()).filter(|path| !path.contains('{'));
            for path in own.into_iter().chain(READ_PATHS.map(str::to_owned)) {
                let page = self.browser.get_page(user, &path).await?;
                if find_pointer(&page.body, &user.value).is_some() {
                    guess = Some((path, "the answer has the value that was written".to_owned()));
                    break;
                }
            }
        }
        let question = "the path that shows the value of the session";
        let (path, note) = self.choose(self.options.read.clone(), "--read PATH", question, guess)?;
        let mut step = StepDraft::new("GET", &path);
        step.notes.extend(note);
        let page = self.browser.send_step(user, &step).await?;
        if !(200..300).contains(&page.status)
            || serde_json::from_str::<serde_json::Value>(&page.body).is_err()
        {
            return Err(format!(
                "--read {path}: the answer must be JSON and have the value that was written; it is {}",
                page.describe()
            ));
        }
        let found = find_pointer(&page.body, &user.value);
        step.value = match (&self.options.value, found) {
            (Some(pointer), _) => Some(pointer.clone()),
            (None, Some(pointer)) => {
                step.notes.push("guess: the value that was written stands at this place".to_owned());
                Some(pointer)
            }
            (None, None) => {
                return Err(format!(
                    "--read {path}: the value that was written is not in the answer: {}. If it is there in another form, pass \
                     --value POINTER",
                    describe_body("", page.body.as_bytes())
                ));
            }
        };
        Ok(step)
    }

    /// Reads without a session, to learn how the application says that there is none.
    async fn draft_absence(&mut self, read: &StepDraft, draft: &mut StackDraft) -> Result<(), String> {
        let page = self.browser.send_step(&mut self.new_user(), read).await?;
        draft.answer_notes.push(match page.status {
            300..500 => {
                draft.absent = Some(page.status);
                format!("guess: a read without a session is answered with {}", page.status)
            }
            status => format!(
                "guess: a read without a session is answered with {status}, and no status means that there is none"
            ),
        });
        Ok(())
    }

    async fn draft_renewal(
        &mut self,
        user: &mut DraftUser,
        lacks: &mut Vec<String>,
    ) -> Result<Option<StepDraft>, String> {
        let question = "the request that gives the session a new id, such as POST /token (empty for none)";
        match self.choose(self.options.renew.clone(), "--renew \"METHOD PATH\"", question, None) {
            Ok((request, _)) => {
                let mut step = self.draft_named_request(&request, user)?;
                self.try_step(&mut step, user, "--renew").await?;
                Ok(Some(step))
            }
            Err(_) => {
                lacks.push("[renew] is not known: --renew \"METHOD PATH\" adds it.".to_owned());
                Ok(None)
            }
        }
    }

    async fn draft_logout(
        &mut self,
        user: &mut DraftUser,
        after_login: &browser::FetchedPage,
        lacks: &mut Vec<String>,
    ) -> Result<Option<StepDraft>, String> {
        let mut guess = None;
        if self.options.logout.is_none() {
            let home = self.browser.get_page(user, "/").await?;
            guess = [after_login, &home].into_iter().find_map(|page| {
                let (method, target) = HtmlPage::parse(&page.body).find_request(&LOGOUT_WORDS)?;
                let path = self.browser.resolve_path(&page.path, &target)?;
                Some((format!("{method} {path}"), format!("the page {} offers it", page.path)))
            });
        }
        let question = "the request that ends the session, such as POST /logout (empty for none)";
        match self.choose(self.options.logout.clone(), "--logout \"METHOD PATH\"", question, guess) {
            Ok((request, note)) => {
                let mut step = self.draft_named_request(&request, user)?;
                step.notes.extend(note);
                self.try_step(&mut step, user, "--logout").await?;
                Ok(Some(step))
            }
            Err(_) => {
                lacks.push("[destroy] is not known: --logout \"METHOD PATH\" adds it.".to_owned());
                Ok(None)
            }
        }
    }

    /// A step for `METHOD PATH`, with the header that proves that the request is not forged if a cookie asks for one.
    fn draft_named_request(&self, request: &str, user: &DraftUser) -> Result<StepDraft, String> {
        let (method, path) = request.trim().split_once(' ').unwrap_or(("POST", request.trim()));
        let (method, path) = (method.trim().to_ascii_uppercase(), path.trim());
        if !path.starts_with('/') || hyper::Method::from_bytes(method.as_bytes()).is_err() {
            return Err(format!("{request:?} is not a request such as \"POST /cart\""));
        }
        let mut step = StepDraft::new(&method, path);
        let token = find_csrf_cookie(&user.jar);
        if let Some(cookie) = token.filter(|_| method != "GET") {
            let header = match cookie.as_str() {
                "XSRF-TOKEN" => "x-xsrf-token",
                "csrftoken" => "x-csrftoken",
                _ => "x-csrf-token",
            };
            step.notes.push(format!("guess: the cookie {cookie} is sent back in this header"));
            step.headers.push((header.to_owned(), format!("{{cookie.{cookie}}}")));
        }
        Ok(step)
    }

    /// Sends a step and notes its status.
    async fn try_step(&self, step: &mut StepDraft, user: &mut DraftUser, option: &str) -> Result<(), String> {
        let page = self.browser.send_step(user, step).await?;
        if page.status >= 400 {
            return Err(format!(
                "{option} {} {}: the application answers with {}",
                step.method,
                step.path,
                page.describe()
            ));
        }
        step.accept_status(page.status);
        Ok(())
    }
}

/// The cookie whose value must be sent back, if its name can stand in braces.
fn find_csrf_cookie(jar: &CookieJar) -> Option<String> {
    let can_stand = |name: &str| name.chars().all(|sign| sign.is_ascii_alphanumeric() || "-_".contains(sign));
    let mut names = jar.cookies().map(|(name, _)| name).filter(|name| is_csrf_name(name) && can_stand(name));
    names.next().map(str::to_owned)
}

/// The JSON pointer to the first text with this value.
fn find_pointer(body: &str, value: &str) -> Option<String> {
    let json: serde_json::Value = serde_json::from_str(body).ok()?;
    let mut texts = Vec::new();
    list_texts(&json, "", 0, &mut texts);
    texts.into_iter().find(|(_, text)| text == value).map(|(pointer, _)| pointer)
}

/// The texts in a document, with their JSON pointers.
fn list_texts(json: &serde_json::Value, at: &str, depth: usize, texts: &mut Vec<(String, String)>) {
    if texts.len() >= TEXTS_MAX || depth > DEPTH_MAX {
        return;
    }
    match json {
        serde_json::Value::String(text) => texts.push((at.to_owned(), text.clone())),
        serde_json::Value::Object(members) => {
            for (name, member) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                list_texts(member, &format!("{at}/{name}"), depth + 1, texts);
            }
        }
        serde_json::Value::Array(elements) => {
            for (number, element) in elements.iter().enumerate().take(TEXTS_MAX) {
                list_texts(element, &format!("{at}/{number}"), depth + 1, texts);
            }
        }
        _ => {}
    }
}
