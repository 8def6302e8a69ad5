"""Requests, pages and answers; events and batches of functions."""
