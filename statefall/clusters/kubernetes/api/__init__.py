"""The API server: how it is found, calls to it, its watches, and the ways through it into pods.

May import `objects`.
"""
