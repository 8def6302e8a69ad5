"""Adapters to AWS's services, but for the table."""
