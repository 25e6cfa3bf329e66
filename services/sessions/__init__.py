"""Where the sessions of the stateful twin live: one Protocol, a module for each state design."""
