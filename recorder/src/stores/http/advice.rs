//! Says what to do when an application does not do what its description says.
//!
//! The advice follows from what was seen: the status, the redirect, the cookies that were set, the shape of the body. It never
//! has a secret, because exchanges have none.

use super::description::{Description, IdPlace, RequestStep};
use super::witness::SeenExchange;
use crate::Failure;
use workloads::Value;

/// What to do about an operation that failed.
pub(super) fn advise_on_failure(
    step: &RequestStep,
    description: &Description,
    entry: usize,
    failure: &Failure,
    exchanges: &[SeenExchange],
) -> String {
    let usual = "Look into the application's log, or correct the description.";
    let Some(last) = exchanges.last() else { return usual.to_owned() };
    let Some(status) = last.status else {
        let entry = &description.entries[entry];
        return match &last.failure {
            Some(why) if why.contains("certificate") => format!(
                "The certificate of {} or that of the client is not accepted. [tls] ca names the file of the CA, certificate and \
                 key those of the client, and name the name in the certificate of the server.",
                entry.address
            ),
            Some(_) => {
                // A server that misses the client's certificate closes the connection, usually without a reason.
                let secure = match entry.secure_host {
                    Some(_) => {
                        " If it wants a certificate of its clients, name certificate and key in [tls]."
                    }
                    None => "",
                };
                let (name, address) = (&entry.name, &entry.address);
                format!("Start the application, or correct {name} in [entries] ({address}).{secure}")
            }
            None => "The application accepted the request and did not answer. Look into its log.".to_owned(),
        };
    };
    if failure.error.contains("to take as") {
        return format!("The answer to {} {} is: {}. Correct `take`.", last.method, last.url, last.body);
    }
    if step.is_success_status(status) && !failure.error.contains("status") {
        return advise_on_content(step, description, last);
    }
    match status {
        300..400 => {
            let to = last.location.as_deref().unwrap_or("nowhere");
            format!(
                "It redirects to {to}. If the redirect means that the operation was done, add ok = [{status}]. If it leads to \
                 the login, the session was not accepted: then add {status} to absent in [answer]."
            )
        }
        401 | 403 => format!(
            "Status {status}: a cookie, a token or a CSRF token is missing. `before` and `take` get one from an earlier page \
             (docs/web-application.md, Logins of several requests)."
        ),
        404 | 405 => format!("Correct path or method: status {status} means that there is no such request."),
        400 | 415 | 422 => {
            format!(
                "Correct body and headers: status {status} means that the request was not understood. It answered: {}.",
                last.body
            )
        }
        500.. => "The application failed. Look into its log.".to_owned(),
        _ => usual.to_owned(),
    }
}

/// What to do about an answer whose status is right and whose content is not.
fn advise_on_content(step: &RequestStep, description: &Description, last: &SeenExchange) -> String {
    let is_identity = matches!(step.name, "create" | "renew");
    match &description.id {
        IdPlace::Cookie(name) if is_identity => {
            let names: Vec<&str> =
                last.set_cookies.iter().filter_map(|line| line.split('=').next()).collect();
            match names.is_empty() {
                true => {
                    format!("The answer sets no cookie. Correct [session] cookie = {name:?}, or the login.")
                }
                false => {
                    format!("The answer sets {}. Correct [session] cookie = {name:?}.", names.join(", "))
                }
            }
        }
        IdPlace::Token(..) if is_identity => format!("The answer: {}. Correct [session] token.", last.body),
        IdPlace::Header(name, _) if is_identity => {
            format!("The answer has no header {name}. Correct [session] header.")
        }
        _ => format!("The answer: {}. Correct [{}].", last.body, step.name),
    }
}

/// What to do about a read that shows something else than was written.
pub(super) fn advise_on_value(
    step: &RequestStep,
    expected: &Value,
    found: &Value,
    exchanges: &[SeenExchange],
) -> String {
    let usual = "Correct the places of the value in the answer (value, fields) or the statuses that mean that there is no \
                 session (absent)";
    let Some(last) = exchanges.last() else { return usual.to_owned() };
    match (found, last.status) {
        (Value::Null, Some(status)) if step.absent.contains(&status) => format!(
            "Status {status} is in absent: the application does not know the session. Correct how the id is sent ([session]), \
             or absent."
        ),
        (Value::Null, _) => {
            let places: Vec<&str> = step.value.iter().chain(&step.fields).map(String::as_str).collect();
            format!("There is nothing at {}. The answer: {}.", places.join(" or "), last.body)
        }
        (Value::Torn { .. }, _) => format!(
            "The text at the place of the value is another one. The answer: {}. If the application trims, escapes or limits \
             values, send them in a form that it keeps.",
            last.body
        ),
        _ if matches!(expected, Value::Null) => usual.to_owned(),
        _ => format!("{usual}. If both are right, the write was not done when it was answered."),
    }
}

/// The statuses that mean that a step was done.
pub(super) fn describe_expected_statuses(step: &RequestStep) -> String {
    match step.ok.is_empty() {
        true => "200 to 299".to_owned(),
        false => step.ok.iter().map(u16::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// The request of a step, as the file has it.
pub(super) fn describe_request(step: &RequestStep) -> String {
    format!("({} {})", step.method, step.path)
}
