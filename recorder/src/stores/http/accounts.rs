//! Whether the sessions of a run share accounts.
//!
//! What an application keeps for an account, such as a cart, is the same in all sessions of the account. That is right, and it looks like a
//! leak of sessions. So a run says beforehand that sessions share accounts.

use super::description::{Description, RequestStep};
use super::template::TemplatePlace;

impl Description {
    /// Says why sessions that are open at the same time log in as the same user, if they do. What the application keeps for an account
    /// then looks like a leak of sessions.
    pub(super) fn describe_shared_accounts(&self, sessions: usize) -> Option<String> {
        const LOOKS: &str = "What the application keeps for an account, and not for a session, then looks like a session-leak";
        let users = self.users.count();
        if users > 0 {
            return (users < sessions).then(|| {
                format!("{sessions} sessions share the {users} accounts of the table of users. {LOOKS}. Pass fewer --sessions, or more users")
            });
        }
        let steps = || self.create.before.iter().chain([&self.create]);
        let logs_in = self.create.before.iter().any(|step| step.method == "POST");
        let names_user =
            steps().flat_map(RequestStep::templates).any(|template| template.has_place(TemplatePlace::User));
        (logs_in && !names_user).then(|| {
            format!("all sessions log in as the same user, because no request of the login has {{user}}. {LOOKS}. Put {{user}} into the login, or \
                     name a table of users (users = \"FILE\")")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::users::Users;
    use super::*;

    fn told(login: &str, users: Option<&str>, sessions: usize) -> Option<String> {
        let text = format!(
            "entries = {{ main = \"http://127.0.0.1:1\" }}
             session = {{ cookie = \"sid\" }}
             create = {{ before = [{login}], method = \"POST\", path = \"/cart\", body = \"{{value}}\" }}
             read = {{ path = \"/cart\", value = \"/cart\" }}"
        );
        let mut description = Description::from_toml(&text).expect("a description");
        if let Some(users) = users {
            description.users = Users::from_csv(users).expect("a table");
        }
        description.describe_shared_accounts(sessions)
    }

    #[test]
    fn sessions_that_share_accounts_are_told_of() {
        let own = r#"{ method = "POST", path = "/login", body = "user={user}" }"#;
        let one = r#"{ method = "POST", path = "/login", body = "user=alice" }"#;
        let token = r#"{ path = "/token" }"#;
        assert_eq!(told(own, None, 9), None);
        assert!(
            told(one, None, 9).is_some_and(|why| why.starts_with("all sessions log in as the same user"))
        );
        // Without a login there is no account.
        assert_eq!(told(token, None, 9), None);
        let users = "name\nann\nbob\n";
        assert_eq!(told(own, Some(users), 2), None);
        let shared = told(own, Some(users), 9).expect("nine sessions and two users");
        assert!(shared.starts_with("9 sessions share the 2 accounts"), "{shared}");
    }
}
