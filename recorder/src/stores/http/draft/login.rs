//! Finds the login of an application, logs in, and tells what identifies the session from then on.

use super::Drafter;
use super::browser::{DraftUser, FetchedPage};
use super::page::{FormField, HtmlForm, HtmlPage, find_enclosing_texts, take_between};
use super::step::{FieldsAs, StepDraft, quote};

/// Where a login page usually is, if no link leads to it.
const LOGIN_PATHS: [&str; 6] =
    ["/login", "/login/", "/accounts/login/", "/signin", "/users/sign_in", "/auth/login"];
/// The words in a link to a login page, without spaces and hyphens.
const LOGIN_WORDS: [&str; 2] = ["login", "signin"];
/// Names of tokens in the answer to a login, as JSON members.
const TOKEN_NAMES: [&str; 10] = [
    "access_token",
    "accessToken",
    "token",
    "jwt",
    "session_token",
    "sessionToken",
    "session_id",
    "sessionId",
    "sid",
    "session",
];

/// A login that worked.
pub(super) struct LoginDraft {
    /// The requests of the login.
    pub(super) steps: Vec<StepDraft>,
    /// The lines of `[session]`.
    pub(super) session: Vec<String>,
    pub(super) user: DraftUser,
    /// The page after the login.
    pub(super) page: FetchedPage,
    /// How its fields are sent.
    pub(super) fields_as: FieldsAs,
}

/// Whether a cookie or a field protects against forged requests.
pub(super) fn is_csrf_name(name: &str) -> bool {
    let name = name.to_lowercase();
    ["csrf", "xsrf", "authenticity", "requestverification"].iter().any(|word| name.contains(word))
}

impl Drafter<'_> {
    /// Logs in by the form of a page or by JSON.
    pub(super) async fn log_in(&mut self) -> Result<LoginDraft, String> {
        let (page, mut user, note) = self.find_login_page().await?;
        let form = HtmlPage::parse(&page.body).find_login_form().cloned();
        let mut steps = match &form {
            Some(form) => self.draft_form_login(&page, &mut user, form).await?,
            None => vec![self.draft_login_without_form(&page.path)?],
        };
        let fields_as = match form {
            Some(_) => FieldsAs::Form,
            None => self.options.fields_as.unwrap_or(FieldsAs::Json),
        };
        steps[0].notes.extend(note);
        let before = user.jar.clone();
        let last = steps.last_mut().expect("a login has a request");
        let answer = self.browser.send_step(&mut user, last).await?;
        let again = HtmlPage::parse(&answer.body).find_login_form().is_some();
        if answer.status >= 400 || again {
            let why = if again { ": it shows the login form again. Check user and password" } else { "" };
            let hint = "The login is tried with the values of --login-field";
            return Err(format!(
                "{} {} was answered with {}{why}. {hint}",
                last.method,
                last.path,
                answer.describe()
            ));
        }
        last.accept_status(answer.status);
        let session = self.find_session_place(&mut user, &before, &answer)?;
        let page = match answer.header("location").and_then(|to| self.browser.resolve_path(&answer.path, to))
        {
            Some(next) => self.browser.get_page(&mut user, &next).await?,
            None => answer,
        };
        Ok(LoginDraft { steps, session, user, page, fields_as })
    }

    /// Returns the login page, the user who fetched it, and what was guessed.
    async fn find_login_page(&mut self) -> Result<(FetchedPage, DraftUser, Option<String>), String> {
        let mut guess = None;
        if self.options.login.is_none() {
            let home = self.browser.get_page(&mut self.new_user(), "/").await?;
            let link = HtmlPage::parse(&home.body).find_request(&LOGIN_WORDS);
            let link = link.and_then(|(_, target)| self.browser.resolve_path(&home.path, &target));
            let others = LOGIN_PATHS.map(str::to_owned);
            for path in [home.path.clone()].into_iter().chain(link).chain(others) {
                let page = self.browser.get_page(&mut self.new_user(), &path).await?;
                if HtmlPage::parse(&page.body).find_login_form().is_some() {
                    guess = Some((page.path, "this page has a form with a password".to_owned()));
                    break;
                }
            }
        }
        let chosen =
            self.choose(self.options.login.clone(), "--login PATH", "the path of the login", guess)?;
        let mut user = self.new_user();
        let page = self.browser.get_page(&mut user, &chosen.0).await?;
        let path = if HtmlPage::parse(&page.body).find_login_form().is_some() {
            page.path.clone()
        } else {
            chosen.0
        };
        Ok((FetchedPage { path, ..page }, user, chosen.1))
    }

    /// The requests of a login by a form: its page, and the form.
    async fn draft_form_login(
        &mut self,
        page: &FetchedPage,
        user: &mut DraftUser,
        form: &HtmlForm,
    ) -> Result<Vec<StepDraft>, String> {
        if form.method != "POST" {
            return Err(format!(
                "the login form of {} sends GET, which a stack file cannot describe",
                page.path
            ));
        }
        // A second user gets another page: what differs must be taken from it.
        let other = self.browser.get_page(&mut self.new_user(), &page.path).await?;
        let other_form = HtmlPage::parse(&other.body).find_login_form().cloned().unwrap_or_default();
        let action = self.browser.resolve_path(&page.path, &form.action).ok_or_else(|| {
            format!("the login form of {} leads to another server: {}", page.path, form.action)
        })?;
        let (mut get, mut post) = (StepDraft::new("GET", &page.path), StepDraft::new("POST", &action));
        let mut pairs = Vec::new();
        for field in form.fields.iter().filter(|field| field.kind == "hidden") {
            let twin = other_form.fields.iter().find(|twin| twin.name == field.name);
            if twin.is_some_and(|twin| twin.value == field.value) && !is_csrf_name(&field.name) {
                post.notes.push(format!("guess: the hidden field {} always has this value", field.name));
                pairs.push((field.name.clone(), field.value.clone()));
                continue;
            }
            let name = take_name(&field.name, get.take.len());
            let texts = find_enclosing_texts(&page.body, field)
                .filter(|[before, after]| twin.is_none_or(|twin| take_between(&other.body, before, after) == Some(&twin.value)))
                .ok_or_else(|| {
                    format!(
                        "the hidden field {} of {} cannot be taken by the texts around it. Write [[create.before]] by hand \
                         (docs/web-application.md, Logins of several requests)",
                        field.name, page.path
                    )
                })?;
            get.notes.push(format!("guess: the hidden field {} is a token of the page", field.name));
            get.take.push((name.clone(), texts));
            user.taken.insert(name.clone(), field.value.clone());
            pairs.push((field.name.clone(), format!("{{take.{name}}}")));
        }
        pairs.extend(self.fill_login_fields(&page.path, form)?);
        post.set_fields(&pairs, FieldsAs::Form)?;
        Ok(vec![get, post])
    }

    /// The values of the fields that a person fills in.
    fn fill_login_fields(&mut self, path: &str, form: &HtmlForm) -> Result<Vec<(String, String)>, String> {
        let is_typed = |field: &&FormField| {
            !["hidden", "submit", "button", "reset", "image", "file", "checkbox", "radio"]
                .contains(&field.kind.as_str())
        };
        let typed: Vec<&FormField> = form.fields.iter().filter(is_typed).collect();
        let names: Vec<&str> = form.fields.iter().map(|field| field.name.as_str()).collect();
        let given = self.options.login_fields.clone();
        if let Some((odd, _)) = given.iter().find(|(name, _)| !names.contains(&name.as_str())) {
            return Err(format!("the login form of {path} has no field {odd}; it has {}", names.join(", ")));
        }
        let (mut pairs, mut missing) = (given.clone(), Vec::new());
        for field in typed.iter().filter(|field| !given.iter().any(|(name, _)| *name == field.name)) {
            let question = format!("the value of the field {} of the login", field.name);
            match self.choose(None, "--login-field", &question, None) {
                Ok((value, _)) => pairs.push((field.name.clone(), value)),
                Err(_) => missing.push(format!("--login-field {}=…", field.name)),
            }
        }
        match missing.is_empty() {
            true => Ok(pairs),
            false => Err(format!("the login form of {path} needs values. Pass {}", missing.join(" "))),
        }
    }

    /// The request of a login without a form.
    fn draft_login_without_form(&self, path: &str) -> Result<StepDraft, String> {
        if self.options.login_fields.is_empty() {
            return Err(format!(
                "{path} has no form with a password. Pass --login PATH for its page, or --login-field NAME=VALUE for a login \
                 with these members as JSON (--fields-as form: as a form)"
            ));
        }
        let mut step = StepDraft::new("POST", path);
        if self.options.fields_as.is_none() {
            let note = "so it takes JSON; --fields-as form sends a form";
            step.notes.push(format!("guess: {path} has no form with a password, {note}"));
        }
        step.set_fields(&self.options.login_fields, self.options.fields_as.unwrap_or(FieldsAs::Json))?;
        Ok(step)
    }

    /// The lines of `[session]`: the cookie or the token that the login returned.
    fn find_session_place(
        &mut self,
        user: &mut DraftUser,
        before: &crate::stores::http::cookies::CookieJar,
        answer: &FetchedPage,
    ) -> Result<Vec<String>, String> {
        let (set, held): (Vec<&str>, Vec<&str>) = {
            let all = user.jar.cookies().filter(|(name, _)| !is_csrf_name(name));
            let all: Vec<(&str, &str)> = all.collect();
            let is_new = |(name, value): &&(&str, &str)| before.cookie_value(name) != Some(value);
            (all.iter().filter(is_new).map(|pair| pair.0).collect(), all.iter().map(|pair| pair.0).collect())
        };
        if let Some(cookie) = &self.options.cookie {
            return match user.jar.cookie_value(cookie) {
                Some(_) => Ok(vec![format!("cookie = {}", quote(cookie))]),
                None => Err(format!("the login sets no cookie {cookie}; it sets {}", list_names(&set))),
            };
        }
        if let Some((pointer, token)) = find_token(&answer.body) {
            user.token_header = Some(("authorization".to_owned(), format!("Bearer {token}")));
            return Ok(vec![
                "# guess: the answer to the login has a text with the name of a token".to_owned(),
                format!("token = {}", quote(&pointer)),
                "send = \"authorization: Bearer {id}\"".to_owned(),
            ]);
        }
        let http_only = |name: &str| {
            answer.set_cookies().any(|line| {
                line.starts_with(&format!("{name}=")) && line.to_ascii_lowercase().contains("httponly")
            })
        };
        let named = |name: &&&str| {
            let name = name.to_lowercase();
            ["sess", "sid", "auth", "jwt", "token"].iter().any(|word| name.contains(word))
        };
        let found = (set.iter().find(named))
            .or_else(|| set.iter().find(|name| http_only(name)))
            .or_else(|| set.first())
            .or_else(|| held.iter().find(named));
        match found {
            Some(name) => Ok(vec![
                format!("# guess: the cookies after the login are {}", list_names(&held)),
                format!("cookie = {}", quote(name)),
            ]),
            None => Err(format!(
                "the login returned no cookie and no token: {}. Pass --cookie NAME, or write the file by hand",
                answer.describe()
            )),
        }
    }
}

fn list_names(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// A name for a taken value. Names in braces have letters, digits, hyphens and underscores.
fn take_name(field: &str, number: usize) -> String {
    if is_csrf_name(field) {
        return if number == 0 { "csrf".to_owned() } else { format!("csrf{number}") };
    }
    let is_plain = |sign: char| sign.is_ascii_alphanumeric() || sign == '_' || sign == '-';
    if field.chars().all(is_plain) { field.to_owned() } else { format!("field{number}") }
}

/// The first member of a JSON answer with the name of a token and a text as its value: its pointer and its value.
fn find_token(body: &str) -> Option<(String, String)> {
    let json: serde_json::Value = serde_json::from_str(body).ok()?;
    let mut texts = Vec::new();
    super::list_texts(&json, "", 0, &mut texts);
    TOKEN_NAMES.iter().find_map(|name| {
        let of_name = |(pointer, text): &&(String, String)| {
            pointer.rsplit('/').next() == Some(name) && !text.is_empty()
        };
        texts.iter().find(of_name).cloned()
    })
}
