"""The operator: one HoldedPipeline is a whole streaming pipeline."""
