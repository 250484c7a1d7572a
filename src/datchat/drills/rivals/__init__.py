"""Other chats, drilled as ours is: how their people talk to them, and what of the promise can be asked of them."""
