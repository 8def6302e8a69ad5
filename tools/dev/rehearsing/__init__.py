"""`make rehearse`: a walk through a running stack, as a person and as a platform, that says what is wrong."""
