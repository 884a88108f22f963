"""The AWS account as its operator sees it: whether it is set up, and what is left to do.

For management commands alone; nothing here is on the way of a message.
"""
