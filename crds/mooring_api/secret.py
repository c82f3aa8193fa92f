"""The Secrets that hold what the members of a group know each other by."""

#: The type of the only Secrets that are read, and their key.
SECRET_TYPE = "mooring.dev/credentials"
PASSWORD_KEY = "password"
