"""The live room of a scene: one control and one bulk socket per browser."""
