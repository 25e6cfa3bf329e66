"""A cluster, a load generator and a clock that live in memory: hours of a run pass in milliseconds."""
