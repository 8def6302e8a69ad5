"""What the development of this project needs: never installed, never deployed."""
