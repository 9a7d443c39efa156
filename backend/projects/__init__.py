"""What is labelled with which classes, and who may do what there."""
