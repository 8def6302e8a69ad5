"""Makes the documentation site of `docs/` and the pages at the repository's top."""
