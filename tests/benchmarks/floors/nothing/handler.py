"""The runtime alone."""


def handler(_event: object, _context: object) -> None:
    return None
