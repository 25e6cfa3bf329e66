"""Tests of the service under test."""
