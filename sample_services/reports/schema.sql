-- What has been sold, one row an order, as far as reports need it. An order is here once, whatever has told of it and
-- how often: its event, its event again, or a rebuild from orders' own API.
CREATE TABLE IF NOT EXISTS sale (
    order_id  INTEGER PRIMARY KEY,
    customer  TEXT NOT NULL,
    day       TEXT NOT NULL,              -- when it was placed: YYYY-MM-DD in UTC
    total     INTEGER NOT NULL CHECK (total > 0),     -- minor units (cents) of `currency`
    currency  TEXT NOT NULL CHECK (length(currency) = 3),
    cancelled INTEGER NOT NULL CHECK (cancelled IN (0, 1))
) STRICT;
CREATE INDEX IF NOT EXISTS sale_day ON sale (day);

CREATE TABLE IF NOT EXISTS sale_item (
    order_id   INTEGER NOT NULL REFERENCES sale (order_id) ON DELETE CASCADE,
    product_id INTEGER NOT NULL,
    name       TEXT NOT NULL,
    quantity   INTEGER NOT NULL CHECK (quantity > 0),
    unit_price INTEGER NOT NULL CHECK (unit_price > 0),
    PRIMARY KEY (order_id, product_id)
) STRICT, WITHOUT ROWID;

-- Every event that was worked through: the proof against working twice.
CREATE TABLE IF NOT EXISTS event (
    id        TEXT PRIMARY KEY,
    processed REAL NOT NULL               -- seconds since 1970
) STRICT;
CREATE INDEX IF NOT EXISTS event_age ON event (processed);

-- One row: when all orders were last read from orders itself.
CREATE TABLE IF NOT EXISTS rebuilt (
    only_one  INTEGER PRIMARY KEY CHECK (only_one = 1),
    time      TEXT NOT NULL,
    orders    INTEGER NOT NULL
) STRICT;
