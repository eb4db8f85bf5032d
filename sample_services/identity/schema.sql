-- Nothing here can be used as it stands by someone who steals this file: passwords are Argon2 hashes, client
-- secrets, refresh tokens and reset codes are SHA-256 digests, private keys lie elsewhere.

CREATE TABLE IF NOT EXISTS users (
    username      TEXT PRIMARY KEY,
    password_hash TEXT NOT NULL,
    role          TEXT NOT NULL CHECK (role IN ('customer', 'support', 'admin')),
    disabled      INTEGER NOT NULL DEFAULT 0,
    created_at    REAL NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS clients (
    client_id      TEXT PRIMARY KEY,
    secret_digest  BLOB NOT NULL,
    scopes         TEXT NOT NULL,
    may_introspect INTEGER NOT NULL
) STRICT;

-- A session is one login: the family of all refresh tokens that descend from it (RFC 9700 section 4.14.2).
CREATE TABLE IF NOT EXISTS sessions (
    id         TEXT PRIMARY KEY,
    username   TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
    client_id  TEXT NOT NULL,
    scope      TEXT NOT NULL,
    started_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    ended_at   REAL,
    end_reason TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS sessions_by_user ON sessions (username, started_at);

CREATE TABLE IF NOT EXISTS refresh_tokens (
    digest     BLOB PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE,
    expires_at REAL NOT NULL,
    used_at    REAL
) STRICT;
CREATE INDEX IF NOT EXISTS refresh_tokens_by_session ON refresh_tokens (session_id);

CREATE TABLE IF NOT EXISTS revoked_tokens (
    jti        TEXT PRIMARY KEY,
    expires_at REAL NOT NULL
) STRICT;

-- What the gateway must be told to refuse (revocation_outbox.py), until no token can be left that it concerns.
CREATE TABLE IF NOT EXISTS revocations (
    claim        TEXT NOT NULL CHECK (claim IN ('jti', 'sid', 'sub')),
    value        TEXT NOT NULL,
    expires_at   REAL NOT NULL,
    created_at   REAL NOT NULL,
    published_as TEXT,
    PRIMARY KEY (claim, value)
) STRICT;
CREATE INDEX IF NOT EXISTS revocations_by_age ON revocations (created_at);

CREATE TABLE IF NOT EXISTS signing_keys (
    kid        TEXT PRIMARY KEY,
    algorithm  TEXT NOT NULL CHECK (algorithm IN ('RS256', 'EdDSA')),
    public_jwk TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('active', 'standby', 'retired')),
    created_at REAL NOT NULL,
    retired_at REAL
) STRICT;

CREATE TABLE IF NOT EXISTS credential_resets (
    id              TEXT PRIMARY KEY,
    idempotency_key TEXT UNIQUE,
    username        TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
    reason          TEXT NOT NULL,
    requested_by    TEXT NOT NULL,
    code_digest     BLOB NOT NULL UNIQUE,
    expires_at      REAL NOT NULL,
    completed_at    REAL
) STRICT;
