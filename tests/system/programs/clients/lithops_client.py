"""What Lithops does with its storage: `lithops_client.py FOLDER BUCKET`."""

import json
import os
import sys
from pathlib import Path

from lithops import Storage
from lithops.storage.utils import StorageNoSuchKeyError

folder, bucket = Path(sys.argv[1]), sys.argv[2]
storage = Storage(
    config={
        "lithops": {"backend": "localhost", "storage": "minio"},
        "minio": {
            "endpoint": os.environ["S3_URL"],
            "access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
            "secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
            "storage_bucket": bucket,
        },
    }
)
told = {}
storage.create_bucket(bucket)
storage.create_bucket(bucket)
for path in sorted(folder.rglob("*")):
    if path.is_file():
        storage.upload_file(str(path), bucket, str(path.relative_to(folder)))
storage.put_object(bucket, "text", "as text")
told["keys"] = sorted(storage.list_keys(bucket))
told["within"] = sorted(storage.list_keys(bucket, prefix="folder/"))
told["objects"] = sorted((found["Key"], found["Size"]) for found in storage.list_objects(bucket))
large = (folder / "large.bin").read_bytes()
assert storage.get_object(bucket, "large.bin") == large
part = storage.get_object(bucket, "large.bin", extra_get_args={"Range": "bytes=10-13"})
told["range"] = part.hex()
stream = storage.get_object(bucket, "large.bin", stream=True)
told["stream"] = stream.read(5).hex()
stream.close()
storage.download_file(bucket, "folder/deeper/\u00fc \u6771.txt", str(folder.parent / "back"))
told["back"] = (folder.parent / "back").read_bytes().hex()
head = storage.head_object(bucket, "text")
told["head"] = [head["content-length"], head["etag"], head["content-type"]]
told["bucket"] = storage.head_bucket(bucket)["ResponseMetadata"]["HTTPStatusCode"]
cloud = storage.put_cloudobject(b"cloud", key="cloud/object")
told["cloud"] = [storage.get_cloudobject(cloud).decode(), cloud.key]
storage.delete_cloudobject(cloud)
for call in (storage.get_object, storage.head_object):
    try:
        call(bucket, "missing")
    except StorageNoSuchKeyError:
        told[call.__name__] = "StorageNoSuchKeyError"
storage.delete_object(bucket, "text")
storage.delete_objects(bucket, [key for key in storage.list_keys(bucket) if key != "empty"])
told["left"] = storage.list_keys(bucket)
storage.delete_object(bucket, "empty")
print(json.dumps(told))
