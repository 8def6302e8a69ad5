"""What `make deploy` does around `sam build` and `sam deploy`, so that nothing changes but what was asked for."""


class RefusedError(Exception):
    """Nothing is deployed; the message says why, and what to do."""
