"""The adapter for one machine: queues in SQLite files, shared by processes that may die at any instant."""
