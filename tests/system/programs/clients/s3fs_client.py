"""What a user of s3fs (fsspec) does; run in the clients' environment: `s3fs_client.py FOLDER BUCKET`."""

import json
import os
import sys
import urllib.request
from pathlib import Path

import s3fs

folder, bucket = Path(sys.argv[1]), sys.argv[2]
fs = s3fs.S3FileSystem(
    key=os.environ["AWS_ACCESS_KEY_ID"],
    secret=os.environ["AWS_SECRET_ACCESS_KEY"],
    endpoint_url=os.environ["S3_URL"],
    client_kwargs={"region_name": "us-east-1"},
    config_kwargs={"signature_version": "s3v4"},
)
PART_BYTES = 5 * 1024 * 1024
told = {}
fs.mkdir(bucket)
fs.put(f"{folder}/", f"{bucket}/", recursive=True)
told["names"] = sorted(fs.find(bucket))
told["folders"] = sorted((one["name"], one["type"], one["size"]) for one in fs.ls(bucket, detail=True))
told["glob"] = sorted(fs.glob(f"{bucket}/**/*.txt"))
told["used"] = fs.du(bucket)
for path in folder.rglob("*"):
    if path.is_file():
        assert fs.cat_file(f"{bucket}/{path.relative_to(folder)}") == path.read_bytes(), path
back = folder.parent / "back"
fs.get(f"{bucket}/folder/", f"{back}/", recursive=True)
told["back"] = sorted(str(path.relative_to(back)) for path in back.rglob("*") if path.is_file())

large = (folder / "large.bin").read_bytes()
with fs.open(f"{bucket}/large.bin", "rb", block_size=PART_BYTES) as file:
    file.seek(PART_BYTES - 2)
    assert file.read(4) == large[PART_BYTES - 2 : PART_BYTES + 2]
    file.seek(-3, 2)
    assert file.read() == large[-3:]
told["range"] = fs.cat_file(f"{bucket}/folder/with space+plus%&.bin", start=10, end=14).hex()
ranges = fs.cat_ranges([f"{bucket}/large.bin"] * 3, [0, 9, PART_BYTES], [1, 12, PART_BYTES + 1])
told["ranges"] = [body.hex() for body in ranges]

with fs.open(f"{bucket}/written", "wb", block_size=PART_BYTES) as file:
    file.write(large)
with fs.open(f"{bucket}/written", "ab", block_size=PART_BYTES) as file:  # by UploadPartCopy
    file.write(b"more")
assert fs.cat_file(f"{bucket}/written") == large + b"more"
with fs.open(f"{bucket}/short", "wb") as file:
    file.write(b"x")
with fs.open(f"{bucket}/short", "ab") as file:
    file.write(b"y")
told["short"] = fs.cat_file(f"{bucket}/short").decode()
with fs.open(f"{bucket}/exclusive", "xb") as file:
    file.write(b"mine")
try:
    with fs.open(f"{bucket}/exclusive", "xb") as file:
        file.write(b"theirs")
except OSError:  # FileExistsError where the file system looked first
    told["exclusive"] = "kept"
info = fs.info(f"{bucket}/a.txt")
told["info"] = [info["size"], info["ETag"], info["type"]]
fs.setxattr(f"{bucket}/a.txt", colour="blue")
told["metadata"] = fs.metadata(f"{bucket}/a.txt")
fs.put_tags(f"{bucket}/a.txt", {"project": "sky store"})
told["tags"] = fs.get_tags(f"{bucket}/a.txt")
with urllib.request.urlopen(fs.sign(f"{bucket}/a.txt", expiration=60)) as answer:
    told["presigned"] = [answer.status, answer.read().decode()]

fs.copy(f"{bucket}/a.txt", f"{bucket}/copy of a")
fs.mv(f"{bucket}/copy of a", f"{bucket}/moved")
told["moved"] = [fs.exists(f"{bucket}/copy of a"), fs.cat_file(f"{bucket}/moved").decode()]
told["is"] = [fs.isdir(f"{bucket}/folder"), fs.isfile(f"{bucket}/folder"), fs.isdir(f"{bucket}/nowhere")]
for name in ("missing", "folder/missing"):
    try:
        fs.cat_file(f"{bucket}/{name}")
    except FileNotFoundError:
        told[name] = "FileNotFoundError"
fs.invalidate_cache()
told["walk"] = [[root, sorted(folders), sorted(files)] for root, folders, files in fs.walk(bucket)]
fs.rm(f"{bucket}/folder", recursive=True)
told["left"] = sorted(fs.find(bucket))
fs.rm(bucket, recursive=True)
told["gone"] = fs.exists(bucket)
print(json.dumps(told))
