"""Modules that several packages use. This file imports nothing: tools/bootstrap.py loads one on any Python 3."""
