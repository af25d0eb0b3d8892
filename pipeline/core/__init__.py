"""What every room uses. Imports nothing: tools/bootstrap.py loads a module of it under any Python 3."""
