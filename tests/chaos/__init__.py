"""Tests of the scripts in chaos/."""
