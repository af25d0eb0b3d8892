"""What every room uses. Imports nothing: tools/setup.py loads a module of it under any Python 3."""
