"""The custom resource, typed once at the edge."""
