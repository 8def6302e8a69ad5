"""Consentry's shared layer: consent rules, tokens, storage, pages and emails.

`docs/architecture.md` draws how these modules hang together. The order in which to read them:
`consent` (the rules), `ledger` (what is recorded), `tokens`, `store`, `recipients` (what a person can do), `web`.
"""
