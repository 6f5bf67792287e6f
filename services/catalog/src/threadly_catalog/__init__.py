"""What is for sale: categories, products, images."""
