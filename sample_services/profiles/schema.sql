-- A dropped profile keeps its row, so that it can be recovered; version counts every change (optimistic locking).
CREATE TABLE IF NOT EXISTS profiles (
    username       TEXT PRIMARY KEY,
    full_name      TEXT NOT NULL,
    email          TEXT NOT NULL,
    phone          TEXT NOT NULL,
    street         TEXT NOT NULL,
    city           TEXT NOT NULL,
    postcode       TEXT NOT NULL,
    country        TEXT NOT NULL,
    loyalty_points INTEGER NOT NULL CHECK (loyalty_points >= 0),
    version        INTEGER NOT NULL DEFAULT 1,
    dropped_at     REAL
) STRICT, WITHOUT ROWID;

-- What identity still has to be told: written in the transaction of the recovery, sent in the background.
CREATE TABLE IF NOT EXISTS credential_resets (
    id           TEXT PRIMARY KEY,
    username     TEXT NOT NULL REFERENCES profiles (username),
    reason       TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    traceparent  TEXT NOT NULL,
    attempts     INTEGER NOT NULL DEFAULT 0,
    due_at       REAL NOT NULL,
    outcome      TEXT NOT NULL DEFAULT 'pending' CHECK (outcome IN ('pending', 'delivered', 'refused'))
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS credential_resets_due ON credential_resets (due_at) WHERE outcome = 'pending';
