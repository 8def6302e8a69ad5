"""What happens when the layer is built: brand files are checked and compiled, catalogues and emails too."""
