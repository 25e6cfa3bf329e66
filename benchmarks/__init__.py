"""Measurements that are run by hand and published; none of them ships."""
