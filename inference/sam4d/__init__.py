"""SAM4D (arXiv 2506.21547): one prompt, masks in every camera and in the sweep, through time."""
