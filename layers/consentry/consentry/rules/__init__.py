"""The rules: what consent is, who an address is, what a brand says. No clock, no I/O, no settings."""
