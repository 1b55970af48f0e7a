"""What is refused at apply because the outside contradicts it, by the very functions that a pass goes by."""
