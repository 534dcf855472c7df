"""Files: received files and files to be sent.

The facts of a file are a row (`files`); its bytes are in a `storage`: a directory (`disk`) or a bucket (`s3`). Bytes
arrive through a temporary file (`spool`). The `vault` keeps bytes and rows consistent: it stores the bytes before the
row, and deletes the row before the bytes. At worst, a crash therefore leaves bytes without a row, which the vault
removes later. `rookery.background.media_fetcher` fetches received files automatically.
"""
