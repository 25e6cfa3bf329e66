"""Who uses the services: journeys, arrivals, the HTTP client and the ledger.

Runs inside Locust's own processes (gevent patches a whole process), started as
`python -m loadtests.main`. May import `foundation` and `services.contract`. The conductor imports
only `loadtests.config` and `loadtests.channel`, which must stay free of
gevent and Locust.
"""
