"""Work for the model: clicks and propagations, done by the worker that holds the scene."""
