"""A local stand-in for AWS SES (over SMTP) and AWS SNS (text messages), for development and tests.

The production providers talk to it unmodified; only the host, the port and the credentials differ.
It listens on loopback only, keeps what it is sent in memory, and delivers nothing.
"""
