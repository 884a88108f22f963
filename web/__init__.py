"""The web server in front of Django. It loads before the settings, so it imports neither."""
