"""What every part of a HoldedPipeline agrees on: schemas, names, identities and settings."""
