//! A small shop with a stock login: a page with a form, a hidden token and a cookie against forged requests.
//!
//! Everything that nobody may see begins with `secret-`, so that a test can look for it in what is printed.

use std::collections::HashMap;
use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::WebRequest;

/// The description of the shop behind these entries, a TOML table of addresses by name.
pub(crate) fn describe_shop(entries: &str) -> String {
    format!("users = \"users.csv\"\nentries = {entries}\n{STEPS}")
}

const STEPS: &str = r#"
session = { cookie = "sid" }
answer = { absent = [401], node = "x-node" }

[create]
method = "POST"
path = "/cart"
headers = { x-csrftoken = "{cookie.csrftoken}" }
body = "{value}"

[[create.before]]
path = "/login"
take = { csrf = { between = ['name="csrf" value="', '"'] } }

[[create.before]]
method = "POST"
path = "/login"
headers = { content-type = "application/x-www-form-urlencoded" }
body = "user={user.name}&password={user.password}&csrf={take.csrf}&next=%2Fcart"
ok = [302]

[read]
path = "/cart"
value = "/cart"

[write]
method = "POST"
path = "/cart"
headers = { x-csrftoken = "{cookie.csrftoken}" }
body = "{value}"

[renew]
method = "POST"
path = "/renew"
headers = { x-csrftoken = "{cookie.csrftoken}" }

[destroy]
method = "POST"
path = "/logout"
headers = { x-csrftoken = "{cookie.csrftoken}" }
"#;

/// What is wrong with a shop.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Bugs {
    pub(crate) logout_ends_nothing: bool,
    pub(crate) old_id_stays: bool,
    /// Each entry has sessions of its own.
    pub(crate) sessions_apart: bool,
    /// Requests are accepted and never answered.
    pub(crate) hangs: bool,
}

/// A shop with two entries.
pub(crate) struct Shop {
    pub(crate) addresses: [String; 2],
    state: [Arc<Mutex<State>>; 2],
}

#[derive(Default)]
struct State {
    carts: HashMap<String, String>,
    users: Vec<String>,
    issued: usize,
    requests: usize,
    bugs: Bugs,
}

impl Shop {
    pub(crate) fn open(bugs: Bugs) -> Self {
        let first = Arc::new(Mutex::new(State { bugs, ..State::default() }));
        let second = match bugs.sessions_apart {
            true => Arc::new(Mutex::new(State { bugs, ..State::default() })),
            false => first.clone(),
        };
        let state = [first, second];
        Self { addresses: [serve(&state[0], "blue"), serve(&state[1], "green")], state }
    }

    /// Who logged in at the first entry, in order.
    pub(crate) fn users(&self) -> Vec<String> {
        self.state[0].lock().expect("no panic").users.clone()
    }

    /// How many requests the first entry has had.
    pub(crate) fn requests(&self) -> usize {
        self.state[0].lock().expect("no panic").requests
    }
}

fn serve(state: &Arc<Mutex<State>>, node: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let state = state.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let state = state.clone();
            std::thread::spawn(move || converse(stream, &state, node));
        }
    });
    address
}

fn converse(stream: TcpStream, state: &Mutex<State>, node: &str) {
    let mut reader = BufReader::new(stream.try_clone().expect("a copy"));
    let mut writer = stream;
    while let Some(request) = WebRequest::read_from(&mut reader) {
        if state.lock().expect("no panic").bugs.hangs {
            std::thread::sleep(Duration::from_secs(30));
            return;
        }
        let body = String::from_utf8(request.body).expect("text");
        let (status, more, answer) =
            state.lock().expect("no panic").answer(&request.method, &request.target, &request.headers, &body);
        let head = format!(
            "HTTP/1.1 {status} X\r\nx-node: {node}\r\n{more}content-length: {}\r\n\r\n",
            answer.len()
        );
        if writer.write_all((head + &answer).as_bytes()).is_err() {
            return;
        }
    }
}

impl State {
    fn answer(
        &mut self,
        method: &str,
        path: &str,
        headers: &HashMap<String, String>,
        body: &str,
    ) -> (u16, String, String) {
        self.requests += 1;
        let held = headers.get("cookie").cloned().unwrap_or_default();
        let cookie = |name: &str| {
            let pairs = held.split("; ").filter_map(|pair| pair.split_once('='));
            pairs
                .filter(|(known, _)| *known == name)
                .map(|(_, value)| value.to_owned())
                .next()
                .unwrap_or_default()
        };
        // A client of the interface sends a token, and needs no other against forged requests.
        let bearer =
            headers.get("authorization").and_then(|text| text.strip_prefix("Bearer ")).map(str::to_owned);
        let (sid, token) = (bearer.clone().unwrap_or_else(|| cookie("sid")), cookie("csrftoken"));
        let empty = |status| (status, String::new(), String::new());
        let json = |value: serde_json::Value| {
            (200, "content-type: application/json\r\n".to_owned(), value.to_string())
        };
        match (method, path) {
            ("GET", "/health") => json(serde_json::json!({"ok": true})),
            ("GET", "/") => (
                200,
                "content-type: text/html\r\n".to_owned(),
                "<html><title>Shop</title><a href=\"/about\">About</a> <a href='/login?next=/'>Log in</a></html>".to_owned(),
            ),
            ("GET", page) if page.starts_with("/login") => {
                self.issued += 1;
                let token = format!("secret-csrf-{}", self.issued);
                let page = format!(
                    "<html><title>Log in</title><!-- <form><input type=password></form> -->\
                     <form action=\"/search\"><input name=\"q\"></form>\
                     <form method=\"post\" action=\"/login\"><input type=\"hidden\" name=\"csrf\" value=\"{token}\">\
                     <input type=\"hidden\" name=\"next\" value=\"/cart\">\
                     <input name=\"user\"><input type=\"password\" name=\"password\">\
                     <input type=submit value=\"Go\"></form></html>"
                );
                (200, format!("content-type: text/html\r\nset-cookie: csrftoken={token}; Path=/\r\n"), page)
            }
            ("POST", "/login") => self.answer_login(body, &token),
            ("POST", "/api/login") => {
                let sent: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
                if sent["user"] != "ann" || sent["password"] != "secret-password" {
                    return empty(401);
                }
                let sid = self.begin(String::new());
                json(serde_json::json!({"user": "ann", "auth": {"access_token": sid, "token_type": "Bearer"}}))
            }
            ("GET", "/cart") => match self.carts.get(&sid) {
                Some(cart) => json(serde_json::json!({"cart": cart, "user": "ann"})),
                None => empty(401),
            },
            ("POST", _) if bearer.is_none() && token.is_empty() => empty(403),
            ("POST", _) if bearer.is_none() && headers.get("x-csrftoken") != Some(&token) => empty(403),
            ("POST", "/cart") => match self.carts.get_mut(&sid) {
                Some(cart) => {
                    body.clone_into(cart);
                    empty(204)
                }
                None => empty(401),
            },
            ("POST", "/renew") => {
                let Some(cart) = self.carts.get(&sid).cloned() else { return empty(401) };
                let new = self.begin(cart);
                if !self.bugs.old_id_stays {
                    self.carts.remove(&sid);
                }
                (204, format!("set-cookie: sid={new}; HttpOnly\r\n"), String::new())
            }
            ("POST", "/logout") => {
                if !self.bugs.logout_ends_nothing {
                    self.carts.remove(&sid);
                }
                (204, "set-cookie: sid=; Max-Age=0\r\n".to_owned(), String::new())
            }
            _ => empty(404),
        }
    }

    /// Checks the form of the login.
    fn answer_login(&mut self, body: &str, token: &str) -> (u16, String, String) {
        let fields: HashMap<&str, &str> = body.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let field = |name: &str| fields.get(name).copied().unwrap_or_default();
        let is_known = field("password") == "secret-password" && !field("user").is_empty();
        if token.is_empty() || field("csrf") != token || !is_known || field("next") != "%2Fcart" {
            return (403, "content-type: text/html\r\n".to_owned(), "<title>No</title>".to_owned());
        }
        self.users.push(field("user").to_owned());
        let sid = self.begin(String::new());
        (
            302,
            format!("set-cookie: sid={sid}; HttpOnly\r\nset-cookie: lang=en\r\nlocation: /cart\r\n"),
            String::new(),
        )
    }

    fn begin(&mut self, cart: String) -> String {
        self.issued += 1;
        let sid = format!("secret-sid-{}", self.issued);
        self.carts.insert(sid.clone(), cart);
        sid
    }
}
