"""The steps of a reconcile pass. Each compares what it wants with what there is, and changes the difference."""
