//! A small application with every step of a session's life, and with some bugs to choose from.

use super::web::WebRequest;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub(crate) const DESCRIPTION: &str = r#"
    entries = { main = "http://ADDRESS" }
    session = { cookie = "sid" }
    answer = { absent = [401], refused = [409], node = "x-node", clock = "x-clock" }

    [create]
    method = "POST"
    path = "/login"
    headers = { content-type = "application/json" }
    body = '{"user":"{user}","cart":"{value}"}'
    ok = [201]

    [read]
    path = "/cart"
    value = "/cart"
    fields = "/fields"

    [write]
    method = "PUT"
    path = "/cart"
    headers = { content-type = "application/x-www-form-urlencoded" }
    body = "cart={value}&base={base}"

    [patch]
    method = "POST"
    path = "/cart/{field}"
    body = "{value}"

    [touch]
    path = "/ping"

    [renew]
    method = "POST"
    path = "/token"

    [destroy]
    method = "POST"
    path = "/logout"
    ok = [204]

    [act]
    method = "POST"
    path = "/order?id={action}"

    [actions]
    path = "/orders?of={user}"
    list = "/orders"
"#;

/// What is wrong with the application.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Bugs {
    pub(crate) logout_ends_nothing: bool,
    pub(crate) old_id_stays: bool,
    pub(crate) renewal_keeps_id: bool,
    /// Every session is forgotten after so many requests.
    pub(crate) forgets_at: Option<usize>,
}

#[derive(Clone, Debug)]
struct Session {
    user: String,
    cart: String,
    fields: Map<String, Value>,
}

#[derive(Debug, Default)]
struct State {
    bugs: Bugs,
    sessions: HashMap<String, Session>,
    orders: HashMap<String, Vec<String>>,
    issued: usize,
    requests: usize,
}

/// Starts the application. It ends with the test.
pub(crate) fn serve(bugs: Bugs) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let state = Arc::new(Mutex::new(State { bugs, ..State::default() }));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let state = state.clone();
            std::thread::spawn(move || converse(stream, &state));
        }
    });
    address
}

fn converse(stream: TcpStream, state: &Mutex<State>) {
    stream.set_nodelay(true).expect("a socket");
    let mut reader = BufReader::new(stream.try_clone().expect("a copy"));
    let mut writer = stream;
    while let Some(request) = WebRequest::read_from(&mut reader) {
        let (status, more, answer) = state.lock().expect("no panic").answer(&request);
        let body = if answer == Value::Null { String::new() } else { answer.to_string() };
        let head = format!(
            "HTTP/1.1 {status} X\r\nx-node: n1\r\nx-clock: 1700000000000\r\n{more}content-length: {}\r\n\r\n",
            body.len()
        );
        if writer.write_all((head + &body).as_bytes()).is_err() {
            return;
        }
    }
}

fn decode(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digits = [bytes.next().expect("a digit"), bytes.next().expect("a digit")];
                let digits = std::str::from_utf8(&digits).expect("digits");
                out.push(u8::from_str_radix(digits, 16).expect("digits"));
            }
            b'+' => out.push(b' '),
            byte => out.push(byte),
        }
    }
    String::from_utf8(out).expect("text")
}

/// The decoded value of a parameter.
fn parameter(text: &str, name: &str) -> String {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(known, _)| *known == name).map(|(_, value)| decode(value)).next().unwrap_or_default()
}

impl State {
    fn begin(&mut self, session: Session) -> String {
        self.issued += 1;
        let id = format!("secret-{:06}", self.issued);
        self.sessions.insert(id.clone(), session);
        format!("set-cookie: sid={id}; Path=/; HttpOnly\r\n")
    }

    fn answer(&mut self, request: &WebRequest) -> (u16, String, Value) {
        self.requests += 1;
        if self.bugs.forgets_at == Some(self.requests) {
            self.sessions.clear();
        }
        let body = String::from_utf8(request.body.clone()).expect("text");
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let cookies = request.headers.get("cookie").cloned().unwrap_or_default();
        let id =
            cookies.split("; ").find_map(|pair| pair.strip_prefix("sid=")).unwrap_or_default().to_owned();
        let plain = |status| (status, String::new(), json!({}));
        match (request.method.as_str(), path) {
            ("POST", "/login") => {
                let sent: Value = serde_json::from_str(&body).unwrap_or_default();
                let text = |name: &str| sent[name].as_str().unwrap_or_default().to_owned();
                let session = Session { user: text("user"), cart: text("cart"), fields: Map::new() };
                return (201, self.begin(session), json!({}));
            }
            ("GET", "/orders") => {
                let orders = self.orders.get(&parameter(query, "of")).cloned().unwrap_or_default();
                return (200, String::new(), json!({"orders": orders}));
            }
            ("GET", "/ping") if !self.sessions.contains_key(&id) => return plain(401),
            ("GET", "/ping") => return (200, String::new(), json!({"pong": true})),
            (_, "/beacon" | "/") => return plain(200),
            _ => {}
        }
        let Some(session) = self.sessions.get_mut(&id) else { return plain(401) };
        match (request.method.as_str(), path) {
            ("GET", "/cart") => (200, String::new(), json!({"cart": session.cart, "fields": session.fields})),
            ("PUT", "/cart") => {
                session.cart = parameter(&body, "cart");
                session.fields = Map::new();
                plain(200)
            }
            ("DELETE", "/cart") => {
                self.sessions.remove(&id);
                plain(200)
            }
            ("POST", "/order") => {
                let user = session.user.clone();
                self.orders.entry(user).or_default().push(parameter(query, "id"));
                plain(200)
            }
            ("POST", "/token") if self.bugs.renewal_keeps_id => plain(200),
            ("POST", "/token") => {
                let moved = session.clone();
                if !self.bugs.old_id_stays {
                    self.sessions.remove(&id);
                }
                (200, self.begin(moved), json!({}))
            }
            ("POST", "/logout") => {
                if !self.bugs.logout_ends_nothing {
                    self.sessions.remove(&id);
                }
                (204, "set-cookie: sid=; Max-Age=0\r\n".to_owned(), Value::Null)
            }
            ("POST", path) => {
                let field = path.strip_prefix("/cart/").unwrap_or_default().to_owned();
                session.fields.insert(field, Value::from(body));
                plain(200)
            }
            _ => plain(404),
        }
    }
}
