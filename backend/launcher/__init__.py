"""`manage.py`: the environment, the services, the processes.

`command` and what it imports at the top need nothing but Python's own library, as they run before
anything is installed. Django is only ever imported inside a function that runs in the environment.
"""
