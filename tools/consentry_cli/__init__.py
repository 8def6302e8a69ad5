"""The `consentry` command: what an operator does from a terminal."""
