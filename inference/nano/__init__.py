"""SAM4D at a size that a laptop without a GPU answers clicks with; trained on drives that `world` makes."""
