"""Never finishes to load."""

while True:
    pass
