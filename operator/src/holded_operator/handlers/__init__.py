"""Where kopf meets the reconciler: watch events wake loops, loops run passes."""
