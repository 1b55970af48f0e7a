"""The gold sink: silver, dead letters, analytics and ledger into MySQL, exactly once."""
