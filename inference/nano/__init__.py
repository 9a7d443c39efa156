"""SAM4D at a size that a laptop without a GPU answers clicks with; its weights are shipped."""
