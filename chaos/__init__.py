"""`make chaos`: break a running system on purpose, and count what arrived."""
