"""A healthy service under a network and processes that are not: the ledger must accuse nobody."""
