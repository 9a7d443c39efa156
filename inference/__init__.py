"""Everything numerical: sensors, geometry, masks and the models. Knows no users, databases or sockets."""
