"""Pictures of the pages, taken from a running stack in a real browser."""
