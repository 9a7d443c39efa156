"""The recordings we can read, by the name of their reader in inference.datasets.

Web processes know the names only: readers need packages that the web image does not have.
"""

TITLES = {
    "native": "Masklet archive",
    "waymo": "Waymo Open Dataset",
    "waymo-4dseg": "Waymo-4DSeg",
}
