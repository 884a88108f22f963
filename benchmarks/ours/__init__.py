"""This project as a contestant: the application unchanged, and one kind of message more."""
