"""The people of a drill: what they do, from a seed, and nothing of what is done to the cluster meanwhile."""
