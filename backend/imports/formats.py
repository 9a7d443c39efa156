"""The recordings we can read, by the name of their reader in inference.datasets.

Web processes know the names only: readers need packages that the web image does not have.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    name: str
    title: str
    # What to choose or to send up.
    description: str


FORMATS = {
    chosen.name: chosen
    for chosen in (  # in the order in which they are offered
        Format(
            name="waymo",
            title="Waymo Open Dataset",
            description="v1: a .tfrecord file. v2: the folder that holds the folders of Parquet "
            "files, such as camera_image; packed as .zip or .tar where it is sent up.",
        ),
        Format(
            name="native",
            title="Masklet archive",
            description="A .zip that Masklet exported with its pictures and sweeps.",
        ),
        Format(
            name="waymo-4dseg",
            title="Waymo-4DSeg",
            description="The folder that holds meta_infos, with one sequence in it; packed as .zip "
            "or .tar where it is sent up.",
        ),
        Format(
            name="nuscenes",
            title="nuScenes",
            description="The folder that holds v1.0-... and samples, with one scene in it, or that "
            "folder followed by a scene's name; packed as .zip or .tar where it is sent up.",
        ),
        Format(
            name="pandaset",
            title="PandaSet",
            description="A sequence's folder, which holds camera and lidar; packed as .zip or .tar "
            "where it is sent up.",
        ),
    )
}
