"""A page with plots on what happened to consent: counted from the export of a ledger, event by event."""
