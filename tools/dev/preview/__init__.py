"""Every page in every state, with how somebody gets there."""
