"""Lint for senders: what mailbox providers and the RFCs would say of an email."""
