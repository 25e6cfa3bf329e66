"""The shop both twins sell from: catalogue, users, purchase history, prices, passwords, in PostgreSQL."""
