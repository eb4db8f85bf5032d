-- The storefront owns reviews and nothing else: products, orders and profiles stay with their services.
CREATE TABLE IF NOT EXISTS review (
    product_id TEXT NOT NULL,
    author     TEXT NOT NULL,
    stars      INTEGER NOT NULL CHECK (stars BETWEEN 1 AND 5),
    text       TEXT NOT NULL CHECK (length(text) BETWEEN 1 AND 2000),
    created    TEXT NOT NULL,                 -- RFC 3339, UTC: sorts as text
    PRIMARY KEY (product_id, author)          -- one review per user and product
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS review_latest ON review (created DESC);
