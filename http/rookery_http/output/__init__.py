"""From values to the bytes of an answer: documents, problems, downloads, QR codes."""
