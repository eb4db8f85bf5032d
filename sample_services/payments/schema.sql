CREATE TABLE IF NOT EXISTS payment (
    id              TEXT PRIMARY KEY,                      -- unguessable: who knows it may pay
    idempotency_key TEXT UNIQUE,
    reference       TEXT NOT NULL,                         -- the merchant's own name for what is paid
    amount          INTEGER NOT NULL CHECK (amount > 0),   -- minor units
    currency        TEXT NOT NULL CHECK (length(currency) = 3),
    status          TEXT NOT NULL CHECK (status IN ('open', 'paid', 'failed')),
    created         REAL NOT NULL                          -- seconds since 1970
) STRICT;

-- Webhooks that the merchant has not acknowledged yet, written in the transaction of what they tell of.
CREATE TABLE IF NOT EXISTS delivery (
    id       TEXT PRIMARY KEY,                             -- `webhook-id`: the same for every attempt
    body     TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    next     REAL,                                         -- when to try again; NULL: delivered, or given up
    outcome  TEXT NOT NULL CHECK (outcome IN ('waiting', 'delivered', 'given_up')),
    created  REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (next) WHERE next IS NOT NULL;
