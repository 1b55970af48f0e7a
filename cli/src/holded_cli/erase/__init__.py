"""`holded erase`: everything of one account or user."""
