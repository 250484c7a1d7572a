"""The outside observer: what clients saw, and whether it keeps what was promised. Sees nothing but the protocol."""
