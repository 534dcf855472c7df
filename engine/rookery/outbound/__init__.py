"""The sends of one session: its queue, the platform's pace, attempts, receipts and the record of their states."""
