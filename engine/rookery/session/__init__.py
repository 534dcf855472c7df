"""The life of one session: its links, its inbox, its failures, its retries and its end."""
