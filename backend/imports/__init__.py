"""Recorded drives come in: from a folder of the server or an upload, as a job, with a report."""
