"""What recipients, platforms and operators can do, and what follows from it."""
