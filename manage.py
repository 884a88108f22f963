#!/usr/bin/env python
"""Django's command line, on the settings that the environment picks."""

import sys

from rs_systems import environment

if __name__ == "__main__":
    environment.configure()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
