"""Files: received ones and those that are to be sent.

The facts of a file are a row (`files`); its bytes are in a `storage`: a directory (`disk`) or a bucket (`s3`). They come
in through a temporary file (`spool`), and the `vault` keeps both in step: bytes first, then the row; the row goes first,
then the bytes. So a crash leaves bytes without a row at worst, which are cleaned away. `fetching` gets received files by
itself.
"""
