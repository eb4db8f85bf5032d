"""identity: users, logins, tokens and the keys that everybody else verifies them with."""
