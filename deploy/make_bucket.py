"""Makes the bucket of MASKLET_S3_BUCKET where it is not there yet, waiting for the store to start."""

from __future__ import annotations

import sys
import time

import django
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files.storage import default_storage

THERE = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}
TRIES, PAUSE_S = 30, 2


def main() -> None:
    django.setup()
    bucket = default_storage.bucket  # type: ignore[attr-defined]
    for _ in range(TRIES):
        try:
            bucket.create()
        except ClientError as error:
            if error.response["Error"]["Code"] not in THERE:
                sys.exit(f"the store refuses to make bucket {bucket.name}: {error}")
        except BotoCoreError as error:
            print(f"the store does not answer yet: {error}")
            time.sleep(PAUSE_S)
            continue
        print(f"bucket {bucket.name} is there")
        return
    sys.exit(f"the store did not answer in {TRIES * PAUSE_S} s; see MASKLET_S3_ENDPOINT")


if __name__ == "__main__":
    main()
