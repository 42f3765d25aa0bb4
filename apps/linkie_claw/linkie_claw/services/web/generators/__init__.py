"""Who writes the texts and draws the images: a port, and what stands behind it."""
