"""The embedded stack: builds the real template, deploys it on an AWS emulator, and serves it on one port.

Needs no account and no Docker. ``python -m dev.emulator`` is what ``make run`` starts; tests start their own
with `dev.emulator.stack.running`.
"""
