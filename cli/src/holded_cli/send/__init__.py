"""`holded send`: posts events of a file or generated ones, and accounts for every answer.

Pure: `mixture`, `events`, `schedule`, `answers`, `tally`, `view`.
Effects: `sender` (HTTP), `record` (file), `command` (terminal and signals).
"""
