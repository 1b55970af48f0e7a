"""The operator's only doors to outside systems, one module each; all else knows them by `interfaces`."""
