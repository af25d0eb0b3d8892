"""ML Metadata: reading, writing, its files and their backups."""
