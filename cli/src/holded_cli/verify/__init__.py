"""`holded verify`: proof that gold is exact."""
