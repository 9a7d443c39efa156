"""Telling other systems what happened: signed messages to addresses that managers name."""
