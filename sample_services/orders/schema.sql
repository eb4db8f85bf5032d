-- Money is kept in minor units (cents) as integers: binary fractions cannot hold 0.10.
-- Times are RFC 3339 in UTC, so that they sort as text.

CREATE TABLE IF NOT EXISTS product (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    price       INTEGER NOT NULL CHECK (price > 0),
    currency    TEXT NOT NULL CHECK (length(currency) = 3),   -- ISO 4217
    stock       INTEGER NOT NULL CHECK (stock >= 0)           -- the last guard against overselling
) STRICT;

CREATE TABLE IF NOT EXISTS purchase (                          -- "order" is a word of SQL
    id        INTEGER PRIMARY KEY AUTOINCREMENT,               -- never gives an id twice
    customer  TEXT NOT NULL,
    status    TEXT NOT NULL CHECK (status IN ('placed', 'shipped', 'delivered', 'cancelled')),
    total     INTEGER NOT NULL CHECK (total > 0),
    currency  TEXT NOT NULL CHECK (length(currency) = 3),
    created   TEXT NOT NULL,
    updated   TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS purchase_of_customer ON purchase (customer, id DESC);

CREATE TABLE IF NOT EXISTS purchase_item (
    purchase_id INTEGER NOT NULL REFERENCES purchase (id),
    position    INTEGER NOT NULL,
    product_id  INTEGER NOT NULL REFERENCES product (id),
    name        TEXT NOT NULL,                                 -- name and price as they were when ordered
    quantity    INTEGER NOT NULL CHECK (quantity > 0),
    unit_price  INTEGER NOT NULL CHECK (unit_price > 0),
    PRIMARY KEY (purchase_id, position)
) STRICT, WITHOUT ROWID;

-- What was asked of the payments provider, which is a third party: its own ids and addresses, checked before they came here.
CREATE TABLE IF NOT EXISTS payment (
    provider_id TEXT PRIMARY KEY,
    purchase_id INTEGER NOT NULL REFERENCES purchase (id),
    status      TEXT NOT NULL CHECK (status IN ('open', 'paid', 'failed')),
    pay_url     TEXT NOT NULL,
    created     TEXT NOT NULL,
    updated     TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS payment_of_purchase ON payment (purchase_id);

-- Webhooks that were taken, so that one that comes again changes nothing.
CREATE TABLE IF NOT EXISTS webhook (
    id       TEXT PRIMARY KEY,
    received TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS webhook_age ON webhook (received);

-- What a client was answered for its Idempotency-Key, so that a repeated request gets the same answer.
CREATE TABLE IF NOT EXISTS idempotency_key (
    customer    TEXT NOT NULL,                                 -- one customer's keys never meet another's
    key         TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    answer      TEXT NOT NULL,
    created     TEXT NOT NULL,
    PRIMARY KEY (customer, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS idempotency_key_age ON idempotency_key (created);

-- Events wait here until Redis has them. Written in the transaction of the change they tell of.
CREATE TABLE IF NOT EXISTS outbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,                -- the order in which they are relayed
    event    TEXT NOT NULL,
    created  TEXT NOT NULL,
    sent     TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS outbox_unsent ON outbox (sequence) WHERE sent IS NULL;
CREATE INDEX IF NOT EXISTS outbox_sent ON outbox (sent) WHERE sent IS NOT NULL;
