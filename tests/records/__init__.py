"""Tests of the records that rooms hand to each other."""
