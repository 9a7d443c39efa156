"""The label document of a scene and every edit to it."""
