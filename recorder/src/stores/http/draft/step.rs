//! The parts of a stack file that is being written, and its text.

use crate::stores::http::template::{Escape, Template};
use crate::stores::http::tls::TlsTable;
use std::fmt::Write as _;

/// How named fields are sent in a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldsAs {
    /// As a form sends them.
    Form,
    /// As the members of an object in JSON.
    Json,
}

/// One request of the file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct StepDraft {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<String>,
    /// The status of the answer, unless it is 200 to 299.
    pub(super) ok: Option<u16>,
    /// What is taken from the answer: names, and the texts around the values.
    pub(super) take: Vec<(String, [String; 2])>,
    /// The JSON pointer to the value.
    pub(super) value: Option<String>,
    /// What was guessed, and why.
    pub(super) notes: Vec<String>,
}

/// The whole file.
#[derive(Clone, Debug, Default)]
pub(super) struct StackDraft {
    pub(super) notes: Vec<String>,
    pub(super) entries: Vec<(String, String)>,
    pub(super) users: Option<String>,
    pub(super) tls: TlsTable,
    /// The lines of `[session]`.
    pub(super) session: Vec<String>,
    pub(super) absent: Option<u16>,
    pub(super) answer_notes: Vec<String>,
    pub(super) before: Vec<StepDraft>,
    pub(super) create: StepDraft,
    pub(super) read: StepDraft,
    pub(super) write: Option<StepDraft>,
    pub(super) renew: Option<StepDraft>,
    pub(super) destroy: Option<StepDraft>,
    /// What was not found, and how to add it.
    pub(super) lacks: Vec<String>,
    /// A request that shows whether the application is up, and its status.
    pub(super) health: Option<(String, u16)>,
}

impl StepDraft {
    pub(super) fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), ..Self::default() }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    }

    /// Sends these fields in the body, with the places of templates kept.
    ///
    /// # Errors
    /// Names a place that does not exist.
    pub(super) fn set_fields(
        &mut self,
        fields: &[(String, String)],
        fields_as: FieldsAs,
    ) -> Result<(), String> {
        let escape = |text: &str, escape| Ok::<_, String>(Template::parse(text)?.to_escaped_source(escape));
        let form = |(name, text): &(String, String)| {
            Ok(format!("{}={}", escape(name, Escape::Percent)?, escape(text, Escape::Percent)?))
        };
        let member = |(name, text): &(String, String)| {
            Ok(format!("{}:\"{}\"", serde_json::Value::from(name.as_str()), escape(text, Escape::Json)?))
        };
        let (kind, body) = match fields_as {
            FieldsAs::Form => {
                let pairs: Result<Vec<String>, String> = fields.iter().map(form).collect();
                ("application/x-www-form-urlencoded", pairs?.join("&"))
            }
            FieldsAs::Json => {
                let members: Result<Vec<String>, String> = fields.iter().map(member).collect();
                ("application/json", format!("{{{}}}", members?.join(",")))
            }
        };
        self.headers.push(("content-type".to_owned(), kind.to_owned()));
        self.body = Some(body);
        Ok(())
    }

    /// Notes the status that means that the step was done.
    pub(super) fn accept_status(&mut self, status: u16) {
        self.ok = (!(200..300).contains(&status)).then_some(status);
    }

    fn write(&self, heading: &str, out: &mut String) {
        out.push('\n');
        write_notes(&self.notes, out);
        let _ = writeln!(out, "{heading}");
        if self.method != "GET" {
            let _ = writeln!(out, "method = {}", quote(&self.method));
        }
        let _ = writeln!(out, "path = {}", quote(&self.path));
        let pairs: Vec<String> =
            self.headers.iter().map(|(name, text)| format!("{name} = {}", quote(text))).collect();
        if !pairs.is_empty() {
            let _ = writeln!(out, "headers = {{ {} }}", pairs.join(", "));
        }
        if let Some(body) = &self.body {
            let _ = writeln!(out, "body = {}", quote(body));
        }
        if let Some(status) = self.ok {
            let _ = writeln!(out, "ok = [{status}]");
        }
        let takes: Vec<String> = (self.take.iter())
            .map(|(name, [before, after])| {
                format!("{name} = {{ between = [{}, {}] }}", quote(before), quote(after))
            })
            .collect();
        if !takes.is_empty() {
            let _ = writeln!(out, "take = {{ {} }}", takes.join(", "));
        }
        if let Some(pointer) = &self.value {
            let _ = writeln!(out, "value = {}", quote(pointer));
        }
    }
}

impl StackDraft {
    /// The text of the file.
    pub(super) fn to_toml(&self) -> String {
        let mut out = String::new();
        write_notes(&self.notes, &mut out);
        if let Some(users) = &self.users {
            let _ = writeln!(out, "\nusers = {}", quote(users));
        }
        out.push_str("\n[entries]\n");
        for (name, url) in &self.entries {
            let _ = writeln!(out, "{name} = {}", quote(url));
        }
        if self.tls != TlsTable::default() {
            out.push_str("\n[tls]\n");
            let TlsTable { ca, certificate, key, name } = &self.tls;
            for (option, file) in [("ca", ca), ("certificate", certificate), ("key", key), ("name", name)] {
                file.iter().for_each(|file| {
                    let _ = writeln!(out, "{option} = {}", quote(file));
                });
            }
        }
        out.push_str("\n[session]\n");
        self.session.iter().for_each(|line| {
            let _ = writeln!(out, "{line}");
        });
        out.push_str("\n[answer]\n");
        write_notes(&self.answer_notes, &mut out);
        if let Some(status) = self.absent {
            let _ = writeln!(out, "absent = [{status}]");
        }
        self.create.write("[create]", &mut out);
        self.before.iter().for_each(|step| step.write("[[create.before]]", &mut out));
        self.read.write("[read]", &mut out);
        for (heading, step) in
            [("[write]", &self.write), ("[renew]", &self.renew), ("[destroy]", &self.destroy)]
        {
            step.iter().for_each(|step| step.write(heading, &mut out));
        }
        if !self.lacks.is_empty() {
            out.push('\n');
            write_notes(&self.lacks, &mut out);
        }
        self.write_nodes(&mut out);
        out
    }

    /// Writes, as comments, the nodes that a run could strike.
    fn write_nodes(&self, out: &mut String) {
        out.push_str("\n# To strike a node, say how it is killed and started (docs/web-application.md, Nodes, links and roles):\n");
        for (name, url) in &self.entries {
            let _ = writeln!(out, "# [nodes.node-{name}]\n# unit = \"docker:NAME\"\n# url = {}", quote(url));
            if let Some((path, status)) = &self.health {
                let _ = writeln!(out, "# ready = \"GET {path} {status}\"");
            }
        }
    }
}

/// Writes notes as comments. A note that goes over several lines stays a comment.
fn write_notes(notes: &[String], out: &mut String) {
    for line in notes.iter().flat_map(|note| note.lines()) {
        let _ = writeln!(out, "# {line}");
    }
}

/// A text as a TOML string.
pub(super) fn quote(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::http::Description;

    /// Values come from pages and from users: no quote, line or comment in them changes the meaning of the file.
    #[test]
    fn the_text_is_a_description_whatever_the_values_are() {
        let odd = "a\"b'c\n# d\\e = {value}\n[read]";
        let mut step = StepDraft::new("POST", "/x?a=\"'#");
        step.headers.push(("content-type".to_owned(), odd.replace('\n', " ")));
        step.body = Some(odd.to_owned());
        step.take = vec![("csrf".to_owned(), [odd.to_owned(), "'\"".to_owned()])];
        step.notes = vec![odd.to_owned()];
        step.accept_status(302);
        let draft = StackDraft {
            entries: vec![("main".to_owned(), "http://127.0.0.1:8080".to_owned())],
            session: vec!["cookie = \"sid\"".to_owned()],
            before: vec![StepDraft { body: None, ..step.clone() }],
            read: StepDraft { value: Some("/a b/\"c".to_owned()), ..StepDraft::new("GET", "/") },
            create: StepDraft { take: Vec::new(), ..step },
            notes: vec![odd.to_owned()],
            lacks: vec![odd.to_owned()],
            health: Some(("/health".to_owned(), 200)),
            ..StackDraft::default()
        };
        let text = draft.to_toml();
        let description = Description::from_toml(&text).unwrap_or_else(|why| panic!("{why}: {text}"));
        assert_eq!(description.create.body.as_ref().map(ToString::to_string).as_deref(), Some(odd));
        assert_eq!(description.create.before.len(), 1);
        assert_eq!(description.read.value.as_deref(), Some("/a b/\"c"));
        assert_eq!(description.entry_names(), ["main"]);
    }
}
