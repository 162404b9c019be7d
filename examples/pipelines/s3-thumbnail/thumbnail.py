"""Makes a thumbnail of each object that a notification of S3 tells of: stdin has one event a line, stdout gets one a line.

Structured mode, encoding json. A bucket is a folder below the one that the first argument names; in the cloud, `get` and `put`
would be requests.
"""

import json
import pathlib
import subprocess
import sys
from urllib.parse import unquote_plus

STORE = pathlib.Path(sys.argv[1])


def get(bucket, key):
    return (STORE / bucket / key).read_bytes()


def put(bucket, key, content):
    path = STORE / bucket / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def thumbnail(image):
    """A picture of at most 64 by 64 pixels, and its size."""
    small = subprocess.run(["convert", "-", "-thumbnail", "64x64", "-"], input=image, stdout=subprocess.PIPE, check=True).stdout
    size = subprocess.run(["convert", "-", "-format", "%w %h", "info:"], input=small, stdout=subprocess.PIPE, check=True).stdout
    return small, [int(number) for number in size.split()]


def handle(event):
    s3 = event["data"]["s3"]
    # In a notification a key is URL-encoded, with `+` for a space; the adapter leaves that to who needs the key.
    bucket, key = s3["bucket"]["name"], unquote_plus(s3["object"]["key"])
    small, (width, height) = thumbnail(get(bucket, key))
    put(f"{bucket}-thumbnails", key, small)
    return {
        "specversion": "1.0",
        "id": f"{event['id']}/1",
        "source": "/thumbnail",
        "type": "com.example.thumbnail.made",
        "subject": key,
        "datacontenttype": "application/json",
        "data": {"bucket": f"{bucket}-thumbnails", "key": key, "width": width, "height": height},
    }


for line in sys.stdin:
    print(json.dumps(handle(json.loads(line)), ensure_ascii=False), flush=True)
