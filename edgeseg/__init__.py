"""Edge-ready video segmentation."""
