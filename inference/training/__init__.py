"""Learning from drives with gold masks, and measuring what was learnt."""
