"""`make bench`: measure the running system from outside."""
