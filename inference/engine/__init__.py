"""The data engine: whole drives labelled before anyone clicks. See `pipeline.run`."""
