"""`holded rebuild`: summaries made anew from events."""
