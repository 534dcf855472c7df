"""What an account knows of people, groups and channels, and what it can change there."""
