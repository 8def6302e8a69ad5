"""django-newsletter as a site would run it: Django's usual middleware, SQLite with a write-ahead log, cached templates.

Runs in the benchmarks' own environment, where nothing of ours is installed.
"""
