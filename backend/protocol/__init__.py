"""What crosses the wire, defined once. The browser's types are generated from here (`manage.py protocol`)."""
