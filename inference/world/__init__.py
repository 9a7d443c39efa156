"""Procedural streets: cameras, a spinning LiDAR, poses and gold masks, made from a seed.

`make_drive` in `drive.py` is the door; it gives an ordinary `inference.scene.Scene`.
"""
