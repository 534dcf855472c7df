"""A real S3-compatible server on a loopback port, which checks signatures and permissions."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import boto3
import httpx
from moto.server import ThreadedMotoServer

REGION = "eu-central-1"


@dataclass
class S3Server:
    """`access_key` and `secret_key` may do everything with buckets, and nothing else."""

    endpoint: str
    access_key: str
    secret_key: str

    def bucket(self) -> str:
        """A new bucket."""
        name = f"rookery-{secrets.token_hex(6)}"
        self.client().create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})  # type: ignore[attr-defined]
        return name

    def client(self) -> object:
        """For tests that look into a bucket behind our back."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
        )


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Runs in a thread until the block ends."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        iam = boto3.client(
            "iam", endpoint_url=endpoint, region_name=REGION, aws_access_key_id="setup", aws_secret_access_key="setup"
        )
        iam.create_user(UserName="rookery")
        everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
        iam.put_user_policy(UserName="rookery", PolicyName="s3", PolicyDocument=json.dumps(everything))
        key = iam.create_access_key(UserName="rookery")["AccessKey"]
        httpx.post(f"{endpoint}/moto-api/reset-auth", content=b"0", trust_env=False).raise_for_status()  # from now on
        yield S3Server(endpoint, key["AccessKeyId"], key["SecretAccessKey"])
    finally:
        server.stop()
