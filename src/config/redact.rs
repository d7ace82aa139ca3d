//! Secrets in texts that are shown.

use strsim::osa_distance;

/// Shown in place of a secret.
pub(crate) const MASK: &str = "***";

const SECRET_WORDS: [&str; 7] = ["pass", "pw", "secret", "token", "key", "credential", "auth"];

/// Whether a key or a variable of this name is likely to hold a secret; a misspelt `password` does too.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word)) || osa_distance(&name, "password") <= 3
}

/// Whether a text cannot be a URL that holds a password, also one with a slip, nor an assignment to a secret.
pub(crate) fn is_harmless(text: &str) -> bool {
    let parts = || text.split(|c: char| c.is_whitespace() || "\"'&?;,".contains(c));
    let assigns = |part: &str| part.split_once(['=', ':']).is_some_and(|(name, _)| is_secret(name));
    !text.contains('@') && !text.contains("//") && !text.contains(":/") && !parts().any(assigns)
}

/// The text, or a mask when it may hold a secret.
pub(crate) fn shown(text: &str) -> &str {
    if is_harmless(text) { text } else { MASK }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_shown() {
        for harmless in ["jobs", "s.jobs", "often", "ls -l", "::1", "10 minutes", "${HOST}:1", "a=b"] {
            assert_eq!(shown(harmless), harmless);
        }
        for secret in ["mysql://u:p@h/d", "mysql:/u:p", "u@h", "--password=x", "curl pw:x", "?a=1&token=x"] {
            assert_eq!(shown(secret), MASK, "{secret}");
        }
    }

    #[test]
    fn names_of_secrets() {
        for name in ["password", "pasword", "passwort", "API_TOKEN", "PGPASS", "aws_secret"] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["table", "DATABASE_URL", "host", "port"] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
