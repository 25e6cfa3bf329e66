"""The tables of the shop. Product ids are popularity ranks: product 1 sells best."""

from __future__ import annotations

from typing import Final

TABLES: Final = ("purchases", "products", "users", "shop_generation")

CREATE: Final = """
CREATE TABLE shop_generation (
    parameters text NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE users (
    id integer NOT NULL,
    name text NOT NULL,
    email text NOT NULL,
    password_hash text NOT NULL,
    preferences jsonb NOT NULL,
    -- counts the changes of preferences, so that a copy of them can tell whether it is behind
    preferences_version integer NOT NULL DEFAULT 0,
    permissions text[] NOT NULL,
    joined_at timestamptz NOT NULL
);
CREATE TABLE products (
    id integer NOT NULL,
    name text NOT NULL,
    unit_price_cents integer NOT NULL CHECK (unit_price_cents > 0),
    -- from break_quantities[i] pieces on, one costs break_prices_cents[i]
    break_quantities integer[] NOT NULL,
    break_prices_cents integer[] NOT NULL,
    available boolean NOT NULL
);
CREATE TABLE purchases (
    user_id integer NOT NULL,
    product_id integer NOT NULL,
    quantity integer NOT NULL,
    bought_at timestamptz NOT NULL
);
"""

INDEX: Final = """
ALTER TABLE users ADD PRIMARY KEY (id);
ALTER TABLE products ADD PRIMARY KEY (id);
CREATE INDEX purchases_user ON purchases (user_id, bought_at DESC);
"""
