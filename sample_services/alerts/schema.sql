-- Every event that was worked through: the proof against working twice, and the memory of the rules.
CREATE TABLE IF NOT EXISTS event (
    id        TEXT PRIMARY KEY,           -- the event's own id; the stream may bring one event more than once
    type      TEXT NOT NULL,
    customer  TEXT NOT NULL,
    time      REAL NOT NULL,              -- when it happened, seconds since 1970
    processed REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS event_of_customer ON event (customer, type, time);
CREATE INDEX IF NOT EXISTS event_age ON event (processed);

CREATE TABLE IF NOT EXISTS finding (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL,
    rule     TEXT NOT NULL,
    customer TEXT NOT NULL,
    order_id INTEGER NOT NULL,
    observed INTEGER NOT NULL,            -- what was seen: an amount, a number of orders, …
    allowed  INTEGER NOT NULL,            -- … and from where on it is suspicious
    time     REAL NOT NULL,               -- of the event
    found    REAL NOT NULL,
    trace_id TEXT,
    UNIQUE (event_id, rule)
) STRICT;
CREATE INDEX IF NOT EXISTS finding_of_customer ON finding (customer, rule, time);
CREATE INDEX IF NOT EXISTS finding_age ON finding (found);
