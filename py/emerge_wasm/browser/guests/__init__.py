"""Guest workers: run code of other users in isolation, after the user's consent."""
