"""A stand-in for AWS SES, SNS and what surrounds them, for development and tests.

The production code talks to it unmodified: only hosts, ports and credentials differ. It listens on
loopback only, keeps messages in memory, and delivers none. docs/sandbox.md describes it.
"""
