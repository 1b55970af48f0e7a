"""`kubectl holded`: what a person asks about pipelines in a cluster. Reads and dry runs; nothing is ever written."""
