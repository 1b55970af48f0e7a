"""`holded replay`: dead letters corrected and sent again."""
