"""Tests of the local cluster, against real processes."""
