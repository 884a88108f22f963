"""The other contestants, in an environment and a Django project of their own."""
