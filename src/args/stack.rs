//! The options of `steadfast stack`.

use super::help;
use super::quantity::parse_duration;
use clap::Subcommand;
use recorder::stores::http::{DraftOptions, FieldsAs, TlsTable};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Subcommand, Debug)]
pub(crate) enum StackCommand {
    /// Take one session through its life, and show each request and answer
    #[command(long_about = help::STACK_TEST, after_long_help = help::STACK_TEST_AFTER)]
    Test(StackTestArgs),
    /// Write a description of an application, by trying it
    #[command(long_about = help::STACK_INIT, after_long_help = help::STACK_INIT_AFTER)]
    Init(Box<StackInitArgs>),
}

#[derive(clap::Args, Debug)]
pub(crate) struct StackTestArgs {
    /// TOML file that describes the application
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Name of the session, which is also that of its user; s-2 logs in as the second user of the table
    /// [default: a name that was never used]
    #[arg(long, value_name = "NAME")]
    pub(crate) session: Option<String>,
    /// Time after which the command ends in any case
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "60s")]
    pub(crate) timeout: Duration,
    /// Time that an operation may take
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "5s")]
    pub(crate) operation_timeout: Duration,
    /// Show ids, tokens and cookies unchanged, and not as digests
    #[arg(long)]
    pub(crate) keep_secrets: bool,
    /// Show one line per step, without its requests
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

#[derive(clap::Args, Debug)]
pub(crate) struct StackInitArgs {
    /// Address of the application, such as http://127.0.0.1:8080
    #[arg(value_name = "URL")]
    url: String,
    /// Further entry of the same application; may be repeated
    #[arg(long = "entry", value_name = "NAME=URL", value_parser = parse_pair)]
    entries: Vec<(String, String)>,
    /// Path of the login page, or of the login by JSON [default: found through links]
    #[arg(long, value_name = "PATH")]
    login: Option<String>,
    /// Field of the login, such as user=alice; may be repeated, and have places such as {user.name} and {value}
    #[arg(long = "login-field", value_name = "NAME=VALUE", value_parser = parse_pair)]
    login_fields: Vec<(String, String)>,
    /// CSV table of users, whose columns fill {user.COLUMN}
    #[arg(long, value_name = "FILE")]
    users: Option<String>,
    /// Name of the session's cookie [default: found after the login]
    #[arg(long, value_name = "NAME")]
    cookie: Option<String>,
    /// Request that writes a value to the session, such as "POST /cart"
    #[arg(long, value_name = "METHOD PATH")]
    write: Option<String>,
    /// How fields are sent to a login without a form, and to the write [default: json, and as the login]
    #[arg(long, value_name = "FORMAT", value_enum)]
    fields_as: Option<FieldFormat>,
    /// Field of the write, such as cart={value}; may be repeated [default: the body is the value]
    #[arg(long = "write-field", value_name = "NAME=VALUE", value_parser = parse_pair)]
    write_fields: Vec<(String, String)>,
    /// Path that shows the value of the session as JSON [default: found by trying]
    #[arg(long, value_name = "PATH")]
    read: Option<String>,
    /// JSON pointer to the value in the answer to a read [default: found by the value that was written]
    #[arg(long, value_name = "POINTER")]
    value: Option<String>,
    /// Request that gives the session a new id, such as "POST /token"
    #[arg(long, value_name = "METHOD PATH")]
    renew: Option<String>,
    /// Request that ends the session, such as "POST /logout" [default: found on the page after the login]
    #[arg(long, value_name = "METHOD PATH")]
    logout: Option<String>,
    /// CA certificates in PEM, for an https address [default: those of the system]
    #[arg(long, value_name = "FILE")]
    ca: Option<String>,
    /// Certificate of the client in PEM, for an https address
    #[arg(long, value_name = "FILE", requires = "client_key")]
    client_certificate: Option<String>,
    /// Key of the client's certificate in PEM
    #[arg(long, value_name = "FILE", requires = "client_certificate")]
    client_key: Option<String>,
    /// Path that shows whether the application is up [default: found by trying]
    #[arg(long, value_name = "PATH")]
    health: Option<String>,
    /// File to write
    #[arg(long, short, value_name = "FILE", default_value = "stack.toml")]
    pub(crate) output: PathBuf,
    /// Replace an existing file
    #[arg(long)]
    pub(crate) force: bool,
    /// Time after which the trying ends in any case
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "60s")]
    pub(crate) timeout: Duration,
    /// Time that a request may take
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "5s")]
    pub(crate) operation_timeout: Duration,
}

/// How named fields are sent.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum FieldFormat {
    Form,
    Json,
}

impl StackInitArgs {
    /// What is known of the application.
    pub(crate) fn draft_options(&self) -> Result<DraftOptions, String> {
        let is_name = |name: &str| {
            !name.is_empty() && name.chars().all(|sign| sign.is_ascii_alphanumeric() || "-_".contains(sign))
        };
        if let Some((odd, _)) = self.entries.iter().find(|(name, _)| !is_name(name)) {
            return Err(format!("--entry {odd}: the name of an entry has letters, digits, - and _ only."));
        }
        let first = ("main".to_owned(), self.url.clone());
        Ok(DraftOptions {
            entries: std::iter::once(first).chain(self.entries.iter().cloned()).collect(),
            login: self.login.clone(),
            login_fields: self.login_fields.clone(),
            users: self.users.clone(),
            cookie: self.cookie.clone(),
            read: self.read.clone(),
            value: self.value.clone(),
            write: self.write.clone(),
            write_fields: self.write_fields.clone(),
            fields_as: self.fields_as.map(|format| match format {
                FieldFormat::Form => FieldsAs::Form,
                FieldFormat::Json => FieldsAs::Json,
            }),
            renew: self.renew.clone(),
            logout: self.logout.clone(),
            health: self.health.clone(),
            tls: TlsTable {
                ca: self.ca.clone(),
                certificate: self.client_certificate.clone(),
                key: self.client_key.clone(),
                name: None,
            },
            patience: self.operation_timeout,
            limit: self.timeout,
        })
    }

    /// How the written file is tested.
    pub(crate) fn test_args(&self) -> StackTestArgs {
        StackTestArgs {
            file: self.output.clone(),
            session: None,
            timeout: self.timeout,
            operation_timeout: self.operation_timeout,
            keep_secrets: false,
            quiet: true,
        }
    }
}

/// Parses `NAME=VALUE`.
fn parse_pair(typed: &str) -> Result<(String, String), String> {
    let pair = typed.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or_else(|| "pass NAME=VALUE".to_owned())
}
