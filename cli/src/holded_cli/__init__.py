"""The one command line of HoldedPipeline."""
