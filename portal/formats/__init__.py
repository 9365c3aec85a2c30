"""How Django itself writes and reads days and times, by language."""
