"""The predictor without weights: geometry finds the object, the picture's edges trim its mask.

Ground removal and connected pieces of the range image give objects; projection with occlusion
carries them into every camera, GrabCut fits the outline; ego motion and velocity carry them on.
"""

from inference.geometric.predictor import GeometricPredictor

__all__ = ["GeometricPredictor"]
